"""What `make deploy` tells kubectl and kind, which are scripts here; kustomize is the real one."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import yaml

from eeg_letters import __version__

from .rendered import ROOT, kubectl

KUBECTL = """\
#!/bin/sh
here=$(dirname "$0")
case "$*" in
  kustomize*) exec {kubectl} "$@" ;;
  "config current-context") cat "$here/context" ;;
  *" apply -f -") cat > "$here/applied" ;;
  *"loadBalancer"*) cat "$here/address" ;;
  *) echo "kubectl $*" >> "$here/calls" ;;
esac
"""
LOADER = '#!/bin/sh\necho "$(basename "$0") $*" >> "$(dirname "$0")/calls"\n'


class Tools:
    """A PATH with kubectl, kind, k3d, minikube and an engine that write down what they are told."""

    def __init__(self, directory: Path, context: str) -> None:
        self.directory = directory
        (directory / "context").write_text(context)
        (directory / "address").write_text("")
        self.script("kubectl", KUBECTL.replace("{kubectl}", kubectl()))
        for name in ("kind", "k3d", "minikube", "docker"):
            self.script(name, LOADER)

    def script(self, name: str, text: str) -> None:
        (self.directory / name).write_text(text)
        (self.directory / name).chmod(0o755)

    def deploy(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join((str(self.directory), os.environ["PATH"]))
        return subprocess.run(
            [ROOT / "k8s" / "deploy.sh", *arguments],
            env={**os.environ, "PATH": path, "ENGINE": "docker"},
            capture_output=True,
            text=True,
            timeout=60,
        )

    @property
    def calls(self) -> str:
        calls = self.directory / "calls"
        return calls.read_text() if calls.exists() else ""

    @property
    def image(self) -> str:
        objects = yaml.safe_load_all((self.directory / "applied").read_text())
        (deployment,) = (item for item in objects if item["kind"] == "Deployment")
        image: str = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
        return image


@pytest.mark.parametrize(
    ("context", "command"),
    [
        ("kind-eeg", "kind load image-archive"),
        ("k3d-eeg", "k3d image import"),
        ("minikube", "minikube image load"),
    ],
)
def test_a_local_cluster_is_given_the_built_image(
    tmp_path: Path, context: str, command: str
) -> None:
    tools = Tools(tmp_path, context)
    finished = tools.deploy("local", __version__)
    assert finished.returncode == 0, finished.stderr
    assert f"docker save eeg-letters:{__version__}" in tools.calls
    assert command in tools.calls
    assert tools.image == f"eeg-letters:{__version__}"
    assert f"--context {context} --namespace eeg-letters rollout status" in tools.calls
    assert "port-forward" in finished.stdout
    assert "curl http://localhost:3000/prediction/232" in finished.stdout


@pytest.mark.parametrize("image", ["registry.test/eeg:1", "registry.test:5000/eeg@sha256:abc"])
def test_an_image_that_is_named_is_pulled_not_loaded(tmp_path: Path, image: str) -> None:
    tools = Tools(tmp_path, "kind-eeg")
    (tmp_path / "address").write_text("192.0.2.7")
    finished = tools.deploy("production", __version__, image)
    assert finished.returncode == 0, finished.stderr
    assert tools.image == image
    assert "kind load" not in tools.calls


def test_the_address_of_the_ingress_is_shown(tmp_path: Path) -> None:
    tools = Tools(tmp_path, "a-cluster")
    (tmp_path / "address").write_text("192.0.2.7")
    finished = tools.deploy("local", __version__)
    assert "curl http://192.0.2.7/prediction/232" in finished.stdout
    assert "must find" in finished.stderr


def test_an_unknown_overlay_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    finished = Tools(tmp_path, "kind-eeg").deploy("staging", __version__)
    assert finished.returncode == 1
    assert "local production" in finished.stderr
