"""What `kubectl kustomize` makes of the directories under k8s/, and ways to look at it."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
K8S = ROOT / "k8s"

Object = dict[str, Any]

COMPONENTS = sorted(path.parent.name for path in K8S.glob("components/*/kustomization.yaml"))
BUILDS = [
    path.parent.relative_to(K8S).as_posix()
    for pattern in ("base", "overlays/*", "tests/*")
    for path in sorted(K8S.glob(f"{pattern}/kustomization.yaml"))
]


def has(build: str, *components: str) -> bool:
    """Whether a build lists one of the components."""
    (kustomization,) = read(K8S / build / "kustomization.yaml")
    listed = {Path(path).name for path in kustomization.get("components", [])}
    return not listed.isdisjoint(components)


def kubectl() -> str:
    """The path of kubectl. The tests fail without it; they would prove nothing if they skipped."""
    path = shutil.which("kubectl")
    if path is None:
        pytest.fail(
            "kubectl is not on PATH. Install it, version 1.30 or later:"
            " https://kubernetes.io/docs/tasks/tools/",
            pytrace=False,
        )
    return path


@functools.cache
def text(build: str) -> str:
    """The output of ``kubectl kustomize k8s/BUILD``."""
    return _kustomize(K8S / build)


def overlay(directory: Path, text: str) -> list[Object]:
    """The objects of an overlay that somebody else wrote, as if it stood in k8s/overlays/NAME."""
    above = os.path.relpath(K8S, directory.resolve())
    (directory / "kustomization.yaml").write_text(text.replace("../..", above), encoding="utf-8")
    return list(yaml.safe_load_all(_kustomize(directory)))


def _kustomize(directory: Path) -> str:
    done = subprocess.run(
        [kubectl(), "kustomize", str(directory)], capture_output=True, text=True, timeout=60
    )
    if done.returncode:
        pytest.fail(f"kubectl kustomize {directory}: {done.stderr}", pytrace=False)
    return done.stdout


def read(path: Path) -> list[Object]:
    """The objects in a file."""
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


@functools.cache
def objects(build: str) -> list[Object]:
    """The objects of a build. All tests share them: look, do not change."""
    return list(yaml.safe_load_all(text(build)))


def of_kind(build: str, kind: str) -> list[Object]:
    """All objects of a kind."""
    return [item for item in objects(build) if item["kind"] == kind]


def only(build: str, kind: str) -> Object:
    """The one object of a kind."""
    (item,) = of_kind(build, kind)
    return item


def named(build: str, kind: str, name: str) -> Object:
    """The object of a kind and a name."""
    (item,) = [item for item in of_kind(build, kind) if item["metadata"]["name"] == name]
    return item


def pod_templates(objects: list[Object]) -> list[Object]:
    """The pod templates in objects, those of a CronJob's Jobs included."""
    specs = [item.get("spec", {}) for item in objects]
    specs += [spec["jobTemplate"]["spec"] for spec in specs if "jobTemplate" in spec]
    return [spec["template"] for spec in specs if "template" in spec]


def pod_template(build: str) -> Object:
    """The pod template of the Deployment."""
    template: Object = only(build, "Deployment")["spec"]["template"]
    return template


def container(build: str) -> Object:
    """The one container of the pods."""
    item: Object
    (item,) = pod_template(build)["spec"]["containers"]
    return item
