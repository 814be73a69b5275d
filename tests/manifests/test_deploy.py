"""What `make deploy` and `make undeploy` tell a cluster.

kubectl and kind are scripts here, but for what needs no cluster: that is the real kubectl.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from eeg_letters import __version__

from . import rendered
from .rendered import BUILDS, K8S, ROOT, Object, kubectl

KUBECTL = """\
#!/bin/sh
here=$(dirname "$0")
case "$*" in
  kustomize*|"annotate --local"*) exec {kubectl} "$@" ;;
  "config current-context") cat "$here/context" ;;
  "config view"*) echo elsewhere ;;
  *" apply -k "*|*" delete "*" -k "*)
    for last; do :; done
    {kubectl} kustomize "$last" > "$here/given"
    echo "kubectl $*" >> "$here/calls" ;;
  *"loadBalancer"*) cat "$here/address" ;;
  *" get namespaces "*) cat "$here/made-here" ;;
  *" get all,persistentvolumeclaims "*)
    echo "kubectl $*" >> "$here/calls"
    cat "$here/others" ;;
  *) echo "kubectl $*" >> "$here/calls" ;;
esac
"""
LOADER = '#!/bin/sh\necho "$(basename "$0") $*" >> "$(dirname "$0")/calls"\n'


class Tools:
    """A PATH with kubectl, kind, k3d, minikube and an engine that write down what they are told."""

    def __init__(self, directory: Path, context: str) -> None:
        self.directory = directory
        (directory / "context").write_text(context)
        for name in ("address", "made-here", "others"):
            (directory / name).write_text("")
        shutil.copytree(K8S, directory / "k8s")
        self.script("kubectl", KUBECTL.replace("{kubectl}", kubectl()))
        for name in ("kind", "k3d", "minikube", "docker"):
            self.script(name, LOADER)

    def script(self, name: str, text: str) -> None:
        (self.directory / name).write_text(text)
        (self.directory / name).chmod(0o755)

    def overlay(self, name: str, text: str) -> None:
        (self.directory / "k8s" / "overlays" / name).mkdir()
        (self.directory / "k8s" / "overlays" / name / "kustomization.yaml").write_text(text)

    def deploy(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run(self.directory / "k8s" / "deploy.sh", *arguments)

    def undeploy(self, overlay: str) -> subprocess.CompletedProcess[str]:
        return self.run(self.directory / "k8s" / "undeploy.sh", overlay)

    def run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join((str(self.directory), os.environ["PATH"]))
        return subprocess.run(
            command,
            cwd=self.directory,
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
    def given(self) -> list[Object]:
        """The objects that were applied or deleted last."""
        return list(yaml.safe_load_all((self.directory / "given").read_text()))

    @property
    def images(self) -> list[str]:
        pods = [template["spec"] for template in rendered.pod_templates(self.given)]
        containers: list[Any] = [
            container
            for pod in pods
            for container in [*pod.get("initContainers", []), *pod["containers"]]
        ]
        return [container["image"] for container in containers]


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
    assert tools.images == [f"eeg-letters:{__version__}"]
    assert f"--context {context} --namespace eeg-letters rollout status" in tools.calls
    assert "port-forward" in finished.stdout
    assert "curl http://localhost:3000/prediction/232" in finished.stdout


@pytest.mark.parametrize("overlay", ["local", "production"])
@pytest.mark.parametrize(
    ("image", "pulled"),
    [
        ("registry.test/eeg:1", None),
        ("registry.test:5000/eeg@sha256:abc", None),
        ("[2001:db8::1]:5000/a/b__c:1.2-rc_3", None),
        ("registry.test:5000/eeg:1@sha256:abc", "registry.test:5000/eeg@sha256:abc"),
        ("registry.test:5000/eeg", f"registry.test:5000/eeg:{__version__}"),
    ],
)
def test_an_image_that_is_named_is_pulled_not_loaded(
    tmp_path: Path, overlay: str, image: str, pulled: str | None
) -> None:
    tools = Tools(tmp_path, "kind-eeg")
    (tmp_path / "address").write_text("192.0.2.7")
    finished = tools.deploy(overlay, __version__, image)
    assert finished.returncode == 0, finished.stderr
    assert tools.images == [pulled or image]
    assert "kind load" not in tools.calls


WITH_SIDECAR = """\
resources: [../production]
images:
  - {name: registry.example.com/eeg-letters, digest: "sha256:def"}
patches:
  - patch: |-
      apiVersion: apps/v1
      kind: Deployment
      metadata: {name: eeg-letters, namespace: eeg-letters}
      spec:
        template:
          spec:
            containers:
              - {name: proxy, image: "proxy.test/eeg-letters:3"}
"""


def test_the_image_is_the_jobs_too_and_no_sidecars(tmp_path: Path) -> None:
    tools = Tools(tmp_path, "kind-eeg")
    tools.overlay("sidecar", WITH_SIDECAR)
    # On top: the sidecar is then the first of the pod's containers.
    tools.overlay("mine", "resources: [../sidecar]\ncomponents: [../../components/batch]\n")
    finished = tools.deploy("mine", __version__, "registry.test/eeg:1")
    assert finished.returncode == 0, finished.stderr
    assert sorted(tools.images) == ["proxy.test/eeg-letters:3"] + ["registry.test/eeg:1"] * 2


def test_the_job_of_the_database_is_made_again_and_no_others(tmp_path: Path) -> None:
    tools = Tools(tmp_path, "a-cluster")
    listed = "components: [../../components/batch, ../../components/database]\n"
    tools.overlay("mine", f"resources: [../../base]\n{listed}nameSuffix: -b\n")
    finished = tools.deploy("mine", __version__, "registry.test/eeg:1")
    assert finished.returncode == 0, finished.stderr
    calls = tools.calls.splitlines()
    place = "kubectl --context a-cluster --namespace eeg-letters"
    deleted = f"{place} delete --ignore-not-found job eeg-letters-migrate-b"
    assert [call for call in calls if " delete " in call] == [deleted]
    (applied,) = [call for call in calls if " apply " in call]
    assert calls.index(deleted) < calls.index(applied)
    # Service, init container, two Jobs and the batch.
    assert tools.images == ["registry.test/eeg:1"] * 5


@pytest.mark.parametrize(
    "image",
    [
        "a&b",
        "|w written",
        "x:1'\n    newTag: '2",
        'x"; touch written; "',
        "$(touch written)",
        "X",
        "-f",
    ],
)
def test_what_is_no_name_of_an_image_is_refused(tmp_path: Path, image: str) -> None:
    tools = Tools(tmp_path, "kind-eeg")
    finished = tools.deploy("local", __version__, image)
    assert finished.returncode == 1
    assert f"IMAGE={image} is not the name of an image" in finished.stderr
    in_make = image.replace("$", "$$")
    finished = tools.run("make", "-C", ROOT, "deploy", f"IMAGE={in_make}")
    assert finished.returncode != 0
    assert f"IMAGE={image} is not the name of an image" in finished.stderr
    assert not (tmp_path / "given").exists()
    assert not [*tmp_path.glob("written"), *ROOT.glob("written")]


@pytest.mark.parametrize("build", BUILDS)
def test_what_is_rendered_again_is_the_same(tmp_path: Path, build: str) -> None:
    (tmp_path / "rendered.yaml").write_text(rendered.text(build), encoding="utf-8")
    assert rendered.overlay(tmp_path, "resources: [rendered.yaml]\n") == rendered.objects(build)


IN_TEAM_A = """\
resources: [../../base]
namespace: team-a
namePrefix: our-
nameSuffix: -b
labels:
  - includeSelectors: true
    pairs: {app.kubernetes.io/instance: b}
"""


def test_the_namespace_and_the_names_are_those_of_the_overlay(tmp_path: Path) -> None:
    tools = Tools(tmp_path, "a-cluster")
    tools.overlay("mine", IN_TEAM_A)
    finished = tools.deploy("mine", __version__)
    assert finished.returncode == 0, finished.stderr
    place = "--context a-cluster --namespace team-a"
    assert f"{place} rollout status deployment/our-eeg-letters-b" in tools.calls
    assert f"{place} port-forward service/our-eeg-letters-b 3000:80" in finished.stdout


def test_all_instances_of_an_overlay_are_waited_for(tmp_path: Path) -> None:
    tools = Tools(tmp_path, "a-cluster")
    tools.overlay("mine", IN_TEAM_A)
    tools.overlay("all", "resources: [../local, ../mine]\n")
    finished = tools.deploy("all", __version__)
    assert finished.returncode == 0, finished.stderr
    for place in (
        "eeg-letters rollout status deployment/eeg-letters ",
        "team-a rollout status deployment/our-eeg-letters-b ",
    ):
        assert f"--namespace {place}" in tools.calls


def test_without_a_namespace_in_the_overlay_it_is_the_contexts(tmp_path: Path) -> None:
    tools = Tools(tmp_path, "a-cluster")
    base = tmp_path / "k8s" / "base" / "kustomization.yaml"
    base.write_text(base.read_text().replace("namespace: eeg-letters\n", ""))
    tools.overlay("mine", "resources: [../../base]\n")
    finished = tools.deploy("mine", __version__)
    assert finished.returncode == 0, finished.stderr
    assert "--namespace elsewhere rollout status deployment/eeg-letters " in tools.calls


def test_an_overlay_without_the_service_is_refused(tmp_path: Path) -> None:
    tools = Tools(tmp_path, "a-cluster")
    tools.overlay("mine", "configMapGenerator: [{name: other}]\n")
    finished = tools.deploy("mine", __version__)
    assert finished.returncode == 1
    assert "has no Deployment" in finished.stderr


@pytest.mark.parametrize("component", ["gateway-api", "gateway-tls"])
def test_without_an_ingress_the_service_can_be_reached(tmp_path: Path, component: str) -> None:
    tools = Tools(tmp_path, "a-cluster")
    tools.overlay("mine", f"resources: [../../base]\ncomponents: [../../components/{component}]\n")
    finished = tools.deploy("mine", __version__)
    assert finished.returncode == 0, finished.stderr
    assert "port-forward service/eeg-letters 3000:80" in finished.stdout


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


DELETES_THE_NAMESPACE = "delete --ignore-not-found namespace eeg-letters"


def test_all_is_deleted_with_the_namespace_if_nothing_else_is_in_it(tmp_path: Path) -> None:
    tools = Tools(tmp_path, "a-cluster")
    (tmp_path / "made-here").write_text("namespace/eeg-letters\n")
    finished = tools.undeploy("local")
    assert finished.returncode == 0, finished.stderr
    expected = [item for item in rendered.objects("overlays/local") if item["kind"] != "Namespace"]
    assert tools.given == expected
    looked = "get all,persistentvolumeclaims --output name"
    assert f"{looked} --selector app.kubernetes.io/instance notin (eeg-letters)\n" in tools.calls
    assert DELETES_THE_NAMESPACE in tools.calls


def test_a_namespace_with_something_else_in_it_is_left(tmp_path: Path) -> None:
    tools = Tools(tmp_path, "a-cluster")
    (tmp_path / "made-here").write_text("namespace/eeg-letters\n")
    (tmp_path / "others").write_text("deployment.apps/eeg-letters-b\npersistentvolumeclaim/x\n")
    finished = tools.undeploy("local")
    assert finished.returncode == 0, finished.stderr
    assert "deployment.apps/eeg-letters-b, persistentvolumeclaim/x" in finished.stderr
    assert DELETES_THE_NAMESPACE not in tools.calls
    assert tools.given


def test_a_namespace_that_these_manifests_have_not_made_is_left(tmp_path: Path) -> None:
    tools = Tools(tmp_path, "a-cluster")
    finished = tools.undeploy("local")
    assert finished.returncode == 0, finished.stderr
    assert "these manifests have not made it" in finished.stderr
    assert DELETES_THE_NAMESPACE not in tools.calls


def test_a_namespace_that_is_not_in_the_overlay_is_left(tmp_path: Path) -> None:
    tools = Tools(tmp_path, "a-cluster")
    (tmp_path / "made-here").write_text("namespace/team-a\n")
    tools.overlay("mine", IN_TEAM_A)
    finished = tools.undeploy("mine")
    assert finished.returncode == 0, finished.stderr
    assert {item["metadata"]["namespace"] for item in tools.given} == {"team-a"}
    assert "delete --ignore-not-found namespace" not in tools.calls


def test_make_undeploy_is_this_script(tmp_path: Path) -> None:
    tools = Tools(tmp_path, "a-cluster")
    (tmp_path / "others").write_text("pod/x\n")
    finished = tools.run("make", "-C", ROOT, "undeploy")
    assert finished.returncode == 0, finished.stderr
    assert len(tools.given) == len(rendered.objects("overlays/local")) - 1
    assert DELETES_THE_NAMESPACE not in tools.calls
    finished = tools.run("make", "-C", ROOT, "undeploy", "OVERLAY=x; touch written")
    assert "there is no overlay x; touch written" in finished.stderr
    assert not (ROOT / "written").exists()
