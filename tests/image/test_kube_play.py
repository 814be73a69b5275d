"""The local overlay's Deployment, as far as podman plays Kubernetes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.conftest import ROOT, free_port
from tests.image.conftest import output

START_SECONDS = 60


@pytest.fixture
def played(engine: str, image: str, tmp_path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """URL of a pod of the Deployment, and the Deployment."""
    if engine != "podman":
        pytest.skip(f"{engine} does not play Kubernetes manifests")
    rendered = output("kubectl", "kustomize", str(ROOT / "k8s" / "overlays" / "local"))
    objects = {item["kind"]: item for item in yaml.safe_load_all(rendered)}
    deployment = objects["Deployment"]
    # podman binds each pod's port on the one host, and checks health with curl and systemd timers,
    # neither of which the image or every host has.
    port = free_port()
    deployment["spec"]["replicas"] = 1
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    container["image"] = image
    container["ports"][0]["hostPort"] = port
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        del container[probe]
    manifest = tmp_path / "local.yaml"
    manifest.write_text(yaml.safe_dump_all([objects["ConfigMap"], deployment]))
    try:
        output("podman", "kube", "play", str(manifest))
        yield f"http://127.0.0.1:{port}", deployment
    finally:
        output("podman", "kube", "down", str(manifest))


def test_a_pod_of_the_local_overlay_serves(played: tuple[str, dict[str, Any]]) -> None:
    url, deployment = played
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            assert httpx.get(f"{url}/readyz", timeout=2).status_code == 200
            break
        except httpx.TransportError:
            assert time.monotonic() < deadline, "not ready"
            time.sleep(0.1)
    assert httpx.get(f"{url}/prediction/232").status_code == 200
    name = f"{deployment['metadata']['name']}-pod-0-eeg-letters"
    facts = "{{.Config.User}} {{.HostConfig.ReadonlyRootfs}} {{.HostConfig.Memory}}"
    assert output("podman", "inspect", "--format", facts, name).split() == [
        "1034:1034",
        "true",
        str(400 * 1024**2),
    ]
    assert "EEG_MAX_BODY_BYTES=" in output("podman", "exec", name, "env")
