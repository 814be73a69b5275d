"""The service in a real cluster, reached from outside: `make e2e`, docs/kubernetes.md."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from .cluster import DEPLOYMENT, NAMESPACE, Cluster, KubectlError
from .load import Load, fetch

LINE = 232


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("/", "application/json"),
        ("/docs", "text/html"),
        (f"/line/{LINE}", "application/json"),
        (f"/prediction/{LINE}", "application/json"),
        ("/score", "application/json"),
        ("/docs.json", "application/json"),
        ("/schema.json", "application/json"),
    ],
)
def test_public_route_answers(url: str, path: str, content_type: str) -> None:
    answer = fetch(url + path)
    assert answer.status == 200
    assert answer.content_type.startswith(content_type)
    assert answer.body


def test_predict_and_prediction_agree(url: str) -> None:
    stored = json.loads(fetch(f"{url}/line/{LINE}").body)
    row = {name: float(value) for name, value in stored.items() if "/" in name}
    answer = fetch(f"{url}/predict", json.dumps({"rows": [row]}).encode())
    assert answer.status == 200
    (by_model,) = json.loads(answer.body)["predictions"]
    assert isinstance(by_model.pop("familiar"), bool)
    labels = {f"prediction {model}": found["label"] for model, found in by_model.items()}
    assert labels == json.loads(fetch(f"{url}/prediction/{LINE}").body)


@pytest.mark.parametrize("path", ["/metrics", "/livez", "/readyz", "/no-such-path"])
def test_no_other_path_leads_in(url: str, path: str) -> None:
    assert fetch(url + path).status == 404


@contextmanager
def requests_without_failure(url: str) -> Iterator[None]:
    """Load on the service that sets in before the block and outlasts it."""
    with Load(f"{url}/prediction/{LINE}") as load:
        load.wait_for(50)
        yield
        load.wait_for(50)
    assert not load.failures, f"{len(load.failures)} of {load.sent}: {load.failures[:10]}"


def test_no_request_fails_when_a_pod_is_killed(cluster: Cluster, url: str) -> None:
    victim = min(cluster.pods())
    with requests_without_failure(url):
        cluster.kubectl("delete", victim, "--wait", "--timeout=90s", seconds=90)
        cluster.wait_for_rollout()
    assert victim not in cluster.pods()


def test_no_request_fails_in_a_rolling_restart(cluster: Cluster, url: str) -> None:
    before = cluster.pods()
    with requests_without_failure(url):
        cluster.kubectl("rollout", "restart", DEPLOYMENT)
        cluster.wait_for_rollout()
        cluster.wait_until_gone(before)
    assert not before & cluster.pods()


def pod(**security: Any) -> str:
    """A pod that the namespace admits, but for what is given."""
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "admission", "namespace": NAMESPACE},
            "spec": {
                "securityContext": {
                    "runAsNonRoot": True,
                    "runAsUser": 1034,
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                "containers": [
                    {
                        "name": "admission",
                        "image": "eeg-letters",
                        "securityContext": {"capabilities": {"drop": ["ALL"]}, **security},
                    }
                ],
            },
        }
    )


def admit(cluster: Cluster, manifest: str) -> None:
    cluster.kubectl("apply", "--dry-run=server", "-f", "-", stdin=manifest)


def test_a_restricted_pod_is_admitted(cluster: Cluster) -> None:
    admit(cluster, pod(allowPrivilegeEscalation=False))


def test_a_privileged_pod_is_refused(cluster: Cluster) -> None:
    with pytest.raises(KubectlError, match='violates PodSecurity "restricted'):
        admit(cluster, pod(privileged=True))
