"""A namespace that is somebody's already is left as it is; one of our own is closed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from . import rendered
from .rendered import BUILDS, COMPONENTS, Object

# As cert-manager labels the pod that answers an HTTP-01 challenge.
SOLVER = {
    "acme.cert-manager.io/http-domain": "1158536",
    "acme.cert-manager.io/http-token": "1045684",
    "acme.cert-manager.io/http01-solver": "true",
}
STRANGER = {"app.kubernetes.io/name": "billing", "app.kubernetes.io/component": "server"}
IN_OUR_NAMESPACE = {"default-deny", "acme-http01-solver"}

Selector = dict[str, Any]


def matches(selector: Selector, labels: dict[str, str]) -> bool:
    """Whether a label selector selects a pod; an empty one selects any."""
    assert set(selector) <= {"matchLabels", "matchExpressions"}
    for expression in selector.get("matchExpressions", []):
        assert expression["operator"] == "In"
        if labels.get(expression["key"]) not in expression["values"]:
            return False
    return bool(selector.get("matchLabels", {}).items() <= labels.items())


def selectors(item: Object) -> list[Selector]:
    """The selectors of pods in an object, wherever they stand."""
    found: list[Selector] = []

    def look(value: Any, kind: str) -> None:
        if isinstance(value, list):
            for element in value:
                look(element, kind)
        elif isinstance(value, dict):
            for key, inner in value.items():
                if key in {"selector", "podSelector", "labelSelector"}:
                    found.append({"matchLabels": inner} if kind == "Service" else inner)
                else:
                    look(inner, kind)

    look(item.get("spec", {}), item["kind"])
    return found


@pytest.mark.parametrize("component", [None, *(c for c in COMPONENTS if c != "namespace")])
def test_somebodys_namespace_keeps_its_labels_its_pods_and_itself(
    tmp_path: Path, component: str | None
) -> None:
    listed = f"components: [../../components/{component}]\n" if component else ""
    objects = rendered.overlay(tmp_path, f"resources: [../../base]\n{listed}namespace: team-a\n")
    for item in objects:
        assert item["kind"] != "Namespace"  # Or `kubectl delete -k` deletes it.
        assert item["metadata"]["namespace"] == "team-a"
        for selector in selectors(item):
            assert not matches(selector, STRANGER)
            assert not matches(selector, SOLVER)


@pytest.mark.parametrize("build", BUILDS)
def test_the_namespace_is_part_of_a_build_that_asks_for_it(build: str) -> None:
    asks = rendered.has(build, "namespace")
    assert len(rendered.of_kind(build, "Namespace")) == asks
    assert asks == (build.startswith("overlays/") or build == "tests/namespace")


@pytest.mark.parametrize("build", [build for build in BUILDS if rendered.has(build, "namespace")])
def test_our_own_namespace_is_closed_but_for_the_solver(build: str) -> None:
    policies = {p["metadata"]["name"]: p["spec"] for p in rendered.of_kind(build, "NetworkPolicy")}
    assert policies["default-deny"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    solver = policies["acme-http01-solver"]
    assert matches(solver["podSelector"], SOLVER)
    assert solver["policyTypes"] == ["Ingress"]
    assert solver["ingress"] == [{"ports": [{"port": 8089, "protocol": "TCP"}]}]
    for name in set(policies) - IN_OUR_NAMESPACE:
        assert not matches(policies[name]["podSelector"], SOLVER)


def test_an_overlay_moves_the_namespace_with_all_that_is_in_it(tmp_path: Path) -> None:
    text = "resources: [../../overlays/local]\nnamespace: eeg-two\n"
    for item in rendered.overlay(tmp_path, text):
        place = "name" if item["kind"] == "Namespace" else "namespace"
        assert item["metadata"][place] == "eeg-two"
