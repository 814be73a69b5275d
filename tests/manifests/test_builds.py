"""Every directory under k8s/ builds, and what it builds is valid."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import kubernetes_validate  # type: ignore[import-untyped]
import pytest

from . import rendered

OLDEST = "1.30"  # preStop sleep is on by default from here on.
NEWEST = "1.36"

# Custom resources have no schema in kubernetes-validate. test_routes.py checks these by hand.
WITHOUT_SCHEMA = {
    ("gateway.networking.k8s.io/v1", "Gateway"),
    ("gateway.networking.k8s.io/v1", "HTTPRoute"),
}


def validate(item: rendered.Object, minor: str) -> None:
    used = kubernetes_validate.validate(item, minor, strict=True)
    # For a minor it does not know, the package falls back to an older one without a word.
    assert used == minor


@pytest.mark.parametrize("minor", [OLDEST, NEWEST])
@pytest.mark.parametrize("build", rendered.BUILDS)
def test_objects_fit_the_schemas(build: str, minor: str) -> None:
    for item in rendered.objects(build):
        if (item["apiVersion"], item["kind"]) not in WITHOUT_SCHEMA:
            validate(item, minor)


@pytest.mark.parametrize("minor", [OLDEST, NEWEST])
def test_the_loader_fits_the_schemas(minor: str) -> None:
    for item in rendered.read(rendered.K8S / "components" / "own-recordings" / "loader.yaml"):
        validate(item, minor)


@pytest.mark.parametrize("build", rendered.BUILDS)
def test_each_object_stands_once_and_in_the_namespace(build: str) -> None:
    seen = set()
    for item in rendered.objects(build):
        identity = (item["kind"], item["metadata"]["name"])
        assert identity not in seen
        seen.add(identity)
        if item["kind"] == "Namespace":
            assert item["metadata"]["name"] == "eeg-letters"
        else:
            assert item["metadata"]["namespace"] == "eeg-letters"


@pytest.mark.parametrize("component", rendered.COMPONENTS)
def test_each_component_is_explained_and_built(component: str) -> None:
    assert (rendered.K8S / "components" / component / "README.md").is_file()
    (lone,) = rendered.read(rendered.K8S / "tests" / component / "kustomization.yaml")
    assert lone["components"] == [f"../../components/{component}"]


def test_tls_on_the_ingress_refuses_to_build_without_an_ingress(tmp_path: Path) -> None:
    copy = shutil.copytree(rendered.K8S, tmp_path / "k8s")
    overlay = copy / "tests" / "wrong"
    overlay.mkdir()
    (overlay / "kustomization.yaml").write_text(
        "resources: [../../base]\n"
        "components: [../../components/gateway-api, ../../components/tls]\n",
        encoding="utf-8",
    )
    done = subprocess.run(
        [rendered.kubectl(), "kustomize", str(overlay)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode != 0
    assert "no matches for Id Ingress" in done.stderr


def test_yaml_style() -> None:
    config = str(rendered.K8S / ".yamllint.yaml")
    done = subprocess.run(
        [sys.executable, "-m", "yamllint", "--strict", "-c", config, str(rendered.K8S)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_checkov_finds_nothing(tmp_path: Path) -> None:
    beside_python = str(Path(sys.executable).parent)
    checkov = shutil.which("checkov", path=beside_python + os.pathsep + os.environ["PATH"])
    if checkov is None:
        pytest.fail("checkov is not installed: pip install checkov", pytrace=False)
    for build in rendered.BUILDS:
        path = tmp_path / f"{build.replace('/', '-')}.yaml"
        path.write_text(rendered.text(build), encoding="utf-8")
    config = str(rendered.K8S / ".checkov.yaml")
    done = subprocess.run(
        [checkov, "--config-file", config, "--directory", str(tmp_path), "--output", "json"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    summary = json.loads(done.stdout)["summary"]
    assert (summary["failed"], summary["parsing_errors"]) == (0, 0)
    assert summary["resource_count"] >= len(rendered.BUILDS)  # It found something to look at.


def test_without_kubectl_the_tests_fail_and_say_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(pytest.fail.Exception, match=r"kubectl is not on PATH\. Install it"):
        rendered.kubectl()
