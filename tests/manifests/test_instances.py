"""Two instances in one namespace: neither selects, names or claims what is the other's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from . import rendered
from .rendered import BUILDS, COMPONENTS, ROOT, Object
from .test_namespace import IN_OUR_NAMESPACE, SOLVER, matches, selectors

INSTANCE = "app.kubernetes.io/instance"
SECOND = """\
labels:
  - includeSelectors: true
    pairs: {app.kubernetes.io/instance: eeg-letters-b}
"""
APART = {"nameSuffix: -b\n", "namePrefix: b-\n"}


def second(tmp_path: Path, resource: str, component: str | None, apart: str) -> list[Object]:
    listed = f"components: [../../components/{component}]\n" if component else ""
    return rendered.overlay(tmp_path, f"resources: [../../{resource}]\n{listed}{apart}{SECOND}")


def pods(objects: list[Object]) -> list[dict[str, str]]:
    return [template["metadata"]["labels"] for template in rendered.pod_templates(objects)]


def own_selectors(objects: list[Object]) -> Iterator[tuple[str, dict[str, Any]]]:
    """All selectors, but for those that are for each pod of a namespace of our own."""
    for item in objects:
        if re.sub("^b-|-b$", "", item["metadata"]["name"]) not in IN_OUR_NAMESPACE:
            for selector in selectors(item):
                yield f"{item['kind']} {item['metadata']['name']}", selector


def names(objects: list[Object]) -> set[str]:
    """The names of objects, and of the Secrets that others make."""
    found = {item["metadata"]["name"] for item in objects if item["kind"] != "Namespace"}
    for item in objects:
        spec = item.get("spec", {})
        if item["kind"] == "Ingress":
            found |= {tls["secretName"] for tls in spec.get("tls", [])}
        for listener in spec.get("listeners", []) if item["kind"] == "Gateway" else []:
            found |= {ref["name"] for ref in listener.get("tls", {}).get("certificateRefs", [])}
    for template in rendered.pod_templates(objects):
        volumes = template["spec"]["volumes"]
        found |= {volume["secret"]["secretName"] for volume in volumes if "secret" in volume}
    return found


def mentioned(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """All text in an object with its place, but for labels and names that are no object's."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key not in {"labels", "matchLabels", "selector", "namespace"}:
                yield from mentioned(inner, f"{path}/{key}")
    elif isinstance(value, list):
        for inner in value:
            yield from mentioned(inner, path)
    elif isinstance(value, str) and not path.endswith(("/containers/name", "/initContainers/name")):
        yield path, value


def assert_apart(first: list[Object], other: list[Object]) -> None:
    for objects, strangers in ((first, other), (other, first)):
        assert pods(objects)
        for place, selector in own_selectors(objects):
            assert any(matches(selector, labels) for labels in pods(objects)), place
            assert not any(matches(selector, labels) for labels in pods(strangers)), place
            assert not matches(selector, SOLVER), place
        for item in objects:
            if item["kind"] != "Namespace":
                for path, text in mentioned(item):
                    assert text not in names(strangers), f"{item['kind']} {path}"
    assert names(first).isdisjoint(names(other))


@pytest.mark.parametrize("apart", sorted(APART))
@pytest.mark.parametrize("component", [None, *COMPONENTS])
def test_a_component_has_two_instances(tmp_path: Path, component: str | None, apart: str) -> None:
    first = rendered.objects(f"tests/{component}" if component else "base")
    assert_apart(first, second(tmp_path, "base", component, apart))


@pytest.mark.parametrize("build", BUILDS)
def test_a_build_has_two_instances_on_top_of_it(tmp_path: Path, build: str) -> None:
    assert_apart(rendered.objects(build), second(tmp_path, build, None, "nameSuffix: -b\n"))


@pytest.mark.parametrize("build", BUILDS)
def test_each_object_and_pod_names_its_instance(build: str) -> None:
    objects = [item for item in rendered.objects(build) if item["kind"] != "Namespace"]
    labels = [item["metadata"]["labels"] for item in objects] + pods(objects)
    assert {label[INSTANCE] for label in labels} == {"eeg-letters"}
    for place, selector in own_selectors(objects):
        assert selector["matchLabels"][INSTANCE] == "eeg-letters", place


def test_the_policy_for_the_solver_is_for_it_in_a_second_instance_too(tmp_path: Path) -> None:
    objects = second(tmp_path, "base", "namespace", "nameSuffix: -b\n")
    (policy,) = [p for p in objects if p["metadata"]["name"] == "acme-http01-solver-b"]
    assert matches(policy["spec"]["podSelector"], SOLVER)


def test_the_documented_overlay_is_a_second_instance(tmp_path: Path) -> None:
    document = (ROOT / "docs" / "kubernetes.md").read_text(encoding="utf-8")
    section = document.partition("## Two instances in one namespace")[2].partition("\n## ")[0]
    (overlay,) = re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)
    objects = rendered.overlay(tmp_path, overlay)
    assert_apart(rendered.objects("base"), objects)
    assert {item["metadata"]["namespace"] for item in objects} == {"team-a"}
    assert not [item for item in objects if item["kind"] == "Namespace"]
