"""The batch Job fits the image, the command and the rest of the manifests."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from . import rendered
from .rendered import BUILDS, ROOT
from .test_objects import assert_restricted, assert_user, mebibytes, millicores, selects

BATCH_BUILD = pytest.mark.parametrize(
    "build", [build for build in BUILDS if "batch" in build.split("/")[-1].split("-")]
)
USER_ERROR = 2  # The exit status of `python -m eeg_letters.batch` for a mistake of its user's.


def job(build: str) -> dict[str, Any]:
    spec: dict[str, Any] = rendered.named(build, "Job", "eeg-letters-batch")["spec"]
    return spec


def pod(build: str) -> dict[str, Any]:
    spec: dict[str, Any] = job(build)["template"]["spec"]
    return spec


@BATCH_BUILD
def test_each_index_is_a_shard(build: str) -> None:
    spec = job(build)
    assert spec["completionMode"] == "Indexed"
    assert spec["parallelism"] == spec["completions"] > 1
    (container,) = pod(build)["containers"]
    shards = [argument for argument in container["args"] if "--shard" in argument]
    assert shards == [f"--shard=$(JOB_COMPLETION_INDEX)/{spec['completions']}"]


@BATCH_BUILD
def test_only_infrastructure_faults_are_retried(build: str) -> None:
    spec = job(build)
    assert spec["backoffLimitPerIndex"] > 0
    assert spec["maxFailedIndexes"] == spec["completions"]  # No index stops another.
    assert pod(build)["restartPolicy"] == "Never"  # What the failure policy asks for.
    ignored, failed = spec["podFailurePolicy"]["rules"]
    assert ignored == {
        "action": "Ignore",
        "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
    }
    assert failed == {
        "action": "FailIndex",
        "onExitCodes": {
            "containerName": pod(build)["containers"][0]["name"],
            "operator": "In",
            "values": [USER_ERROR],
        },
    }


@BATCH_BUILD
def test_the_image_is_the_deployments(build: str) -> None:
    (container,) = pod(build)["containers"]
    assert container["image"] == rendered.container(build)["image"]
    assert container["imagePullPolicy"] == "IfNotPresent"


def test_an_overlay_names_the_image_once_for_both(tmp_path: Path) -> None:
    (tmp_path / "kustomization.yaml").write_text(
        "resources: [base]\n"
        "components: [components/batch]\n"
        "images: [{name: eeg-letters, newName: registry.example.com/x, newTag: 9.9.9}]\n"
    )
    for name in ("base", "components"):
        shutil.copytree(rendered.K8S / name, tmp_path / name)
    done = subprocess.run(
        [rendered.kubectl(), "kustomize", str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.count("image: registry.example.com/x:9.9.9\n") == 2


@BATCH_BUILD
def test_it_is_restricted_and_writes_to_its_volume_and_tmp_alone(build: str) -> None:
    spec = pod(build)
    assert_restricted(spec)
    assert_user(build, spec)
    assert ("fsGroup" in spec["securityContext"]) == (not rendered.has(build, "openshift"))
    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False
    (container,) = spec["containers"]
    assert {mount["mountPath"] for mount in container["volumeMounts"]} == {"/batch", "/tmp"}
    source, target, *_ = container["args"]
    assert source.startswith("/batch/")
    assert target.startswith("/batch/")
    assert source.rpartition("/")[0] != target.rpartition("/")[0]
    claims = [v["persistentVolumeClaim"] for v in spec["volumes"] if "persistentVolumeClaim" in v]
    (claim,) = rendered.of_kind(build, "PersistentVolumeClaim")
    assert claims == [{"claimName": claim["metadata"]["name"]}]


@BATCH_BUILD
def test_its_cores_are_bounded_for_its_memory(build: str) -> None:
    (container,) = pod(build)["containers"]
    requests, limits = container["resources"]["requests"], container["resources"]["limits"]
    assert requests["memory"] == limits["memory"]
    # As many workers as cores, 100 MiB each, and what reads and writes.
    workers = millicores(limits["cpu"]) / 1000
    assert mebibytes(limits["memory"]) >= 300 + 100 * workers
    assert ("ephemeral-storage" in limits) == rendered.has(build, "quota")
    assert requests.get("ephemeral-storage") == limits.get("ephemeral-storage")


def test_a_node_of_two_cores_has_room_for_it(tmp_path: Path) -> None:
    """All pods beside the local overlay, and one at a time beside the base.

    The cluster's own are those of a control plane that kind makes: API server 250 m, controller
    manager 200 m, scheduler, etcd and network 100 m each, DNS twice 100 m.
    """
    left = 2000 - 950

    def requested(objects: list[rendered.Object]) -> tuple[int, list[int]]:
        pods = {
            item["kind"]: (
                item["spec"].get("replicas") or item["spec"]["parallelism"],
                item["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"]["cpu"],
            )
            for item in objects
            if item["kind"] in {"Deployment", "Job"}
        }
        count, cpu = pods["Deployment"]
        jobs, job_cpu = pods["Job"]
        return count * millicores(cpu), [millicores(job_cpu)] * jobs

    local = "resources: [../../overlays/local]\ncomponents: [../../components/batch]\n"
    service, jobs = requested(rendered.overlay(tmp_path, local))
    assert service + sum(jobs) <= left
    service, jobs = requested(rendered.objects("tests/batch"))
    assert service + jobs[0] <= left


@BATCH_BUILD
def test_gitops_makes_a_new_job_where_the_old_one_cannot_be_changed(build: str) -> None:
    # Under Argo CD a PostSync hook would wait for a volume that its own pods bind.
    job = rendered.named(build, "Job", "eeg-letters-batch")
    assert job["metadata"]["annotations"] == {
        "argocd.argoproj.io/hook": "Sync",
        "argocd.argoproj.io/hook-delete-policy": "BeforeHookCreation",
        "kustomize.toolkit.fluxcd.io/force": "enabled",
    }


@BATCH_BUILD
def test_nothing_of_the_service_selects_its_pods(build: str) -> None:
    labels = job(build)["template"]["metadata"]["labels"]
    own = [
        rendered.only(build, "Service")["spec"]["selector"],
        rendered.only(build, "Deployment")["spec"]["selector"]["matchLabels"],
        rendered.only(build, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
    ]
    policies = {p["metadata"]["name"]: p["spec"] for p in rendered.of_kind(build, "NetworkPolicy")}
    batch = policies.pop("eeg-letters-batch")
    of_others = policies.pop("eeg-letters-database-jobs", None)
    own += [policy["podSelector"]["matchLabels"] for policy in policies.values()]
    for selector in own:
        assert not selector.items() <= labels.items()
        assert selects(selector, build)
    if of_others is not None:
        assert not of_others["podSelector"]["matchLabels"].items() <= labels.items()
    assert batch["podSelector"]["matchLabels"].items() <= labels.items()
    assert set(batch) == {"podSelector", "policyTypes"}  # Nothing in, nothing out.
    assert batch["policyTypes"] == ["Ingress", "Egress"]


def test_the_command_is_the_projects() -> None:
    (container,) = pod("tests/batch")["containers"]
    python, *module = container["command"]
    assert python == "python"
    assert module == ["-m", "eeg_letters.batch"]
    assert (ROOT / "eeg_letters" / "batch" / "__main__.py").is_file()
