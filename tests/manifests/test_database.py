"""The component for the database fits the settings, the command and the rest of the manifests."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from eeg_letters.settings import read_settings
from tests.conftest import environment
from tests.postgresql import PostgreSQL

from . import rendered
from .rendered import BUILDS, K8S, ROOT, Object
from .test_namespace import matches
from .test_objects import assert_restricted, assert_user, mebibytes, millicores

DATABASE_BUILD = pytest.mark.parametrize(
    "build", [build for build in BUILDS if rendered.has(build, "database")]
)
TO_THE_DATABASE = {"ports": [{"port": 5432, "protocol": "TCP"}]}
TO_DNS = {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]}
README = K8S / "components" / "database" / "README.md"
DOCUMENT = ROOT / "docs" / "kubernetes.md"


def migrating(build: str) -> Object:
    return rendered.named(build, "Job", "eeg-letters-migrate")


def pruning(build: str) -> Object:
    return rendered.only(build, "CronJob")


def job_pods(build: str) -> list[Object]:
    """The pods' templates of the Job and of the CronJob."""
    return rendered.pod_templates([migrating(build), pruning(build)])


def pods(build: str) -> list[dict[str, Any]]:
    """All pods that have to do with the database."""
    return [t["spec"] for t in (rendered.pod_template(build), *job_pods(build))]


def commands(build: str) -> dict[str, dict[str, Any]]:
    """The containers that run `python -m eeg_letters.database`, by its subcommand."""
    (waits,) = rendered.pod_template(build)["spec"]["initContainers"]
    found = [waits]
    for template in job_pods(build):
        found += template["spec"]["containers"]
    for container in found:
        assert container["command"] == ["python", "-m", "eeg_letters.database"]
    return {container["args"][0]: container for container in found}


@DATABASE_BUILD
def test_the_tables_are_made_awaited_and_pruned(build: str) -> None:
    assert {name: found["args"][1:] for name, found in commands(build).items()} == {
        "status": ["--wait", "300"],
        "upgrade": [],
        "prune": ["--older-than", "30d"],
    }


MEASURED = """
import resource, subprocess, sys
status = subprocess.call(sys.argv[1:], timeout=60)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(status)
"""


def start(tmp_path: Path, subcommand: str) -> subprocess.Popen[str]:
    """A container's command with its settings, but for where the Secret is mounted."""
    container = commands("tests/database")[subcommand]
    settings = {entry["name"]: entry["value"] for entry in container.get("env", [])}
    if "envFrom" in container:
        settings = dict(rendered.only("tests/database", "ConfigMap")["data"])
    settings["EEG_DATABASE_FILE"] = str(tmp_path / "uri")
    _, *module = container["command"]
    return subprocess.Popen(
        [sys.executable, "-c", MEASURED, sys.executable, *module, *container["args"]],
        cwd=ROOT,
        env=environment(tmp_path / "no-store", **settings),
        stdout=subprocess.PIPE,
        text=True,
    )


def test_the_containers_do_it_within_their_memory(
    tmp_path: Path, postgresql_server: PostgreSQL
) -> None:
    (tmp_path / "uri").write_text(postgresql_server.create(), encoding="utf-8")
    waits = start(tmp_path, "status")
    for subcommand in ("upgrade", "status", "prune"):
        process = waits if subcommand == "status" else start(tmp_path, subcommand)
        output, _ = process.communicate(timeout=90)
        assert process.returncode == 0, subcommand
        limit = commands("tests/database")[subcommand]["resources"]["limits"]["memory"]
        peak = int(output.split()[-1]) * 1024
        assert 1.25 * peak < mebibytes(limit) * 2**20, subcommand


@DATABASE_BUILD
def test_the_image_is_the_deployments(build: str) -> None:
    service = rendered.container(build)
    for container in commands(build).values():
        assert container["image"] == service["image"]
        assert container["imagePullPolicy"] == service["imagePullPolicy"]


def test_an_overlay_names_the_image_once_for_all(tmp_path: Path) -> None:
    objects = rendered.overlay(
        tmp_path,
        "resources: [../../base]\n"
        "components: [../../components/database]\n"
        "images: [{name: eeg-letters, newName: registry.example.com/x, newTag: 9.9.9}]\n",
    )
    specs = [template["spec"] for template in rendered.pod_templates(objects)]
    images = [c["image"] for s in specs for c in [*s["containers"], *s.get("initContainers", [])]]
    assert images == ["registry.example.com/x:9.9.9"] * 4


@DATABASE_BUILD
def test_the_address_is_read_from_the_secret(build: str) -> None:
    settings = rendered.only(build, "ConfigMap")["data"]
    file = read_settings(settings).database_file
    assert file is not None
    assert settings["EEG_KEEP_PREDICTIONS"] == "true"
    containers = [*commands(build).values(), rendered.container(build)]
    for container in containers:
        (mount,) = [m for m in container["volumeMounts"] if m["name"] == "database"]
        assert mount == {"name": "database", "mountPath": str(file.parent), "readOnly": True}
        named = {entry["name"]: entry["value"] for entry in container.get("env", [])}
        # Either the setting itself or all settings.
        assert named.get("EEG_DATABASE_FILE", str(file)) == str(file)
        assert bool(named) != ("envFrom" in container)
    (wait,) = rendered.pod_template(build)["spec"]["initContainers"]
    assert wait["envFrom"] == rendered.container(build)["envFrom"]
    for pod in pods(build):
        assert [volume for volume in pod["volumes"] if "secret" in volume] == [
            {
                "name": "database",
                "secret": {
                    "secretName": "eeg-letters-database",
                    "items": [{"key": "uri", "path": file.name}],
                },
            }
        ]


@DATABASE_BUILD
def test_a_setting_makes_no_other_job(build: str) -> None:
    config = rendered.only(build, "ConfigMap")["metadata"]["name"]
    assert config not in yaml.safe_dump([migrating(build), pruning(build)])


@DATABASE_BUILD
def test_the_pods_are_restricted_and_write_nothing(build: str) -> None:
    for template in job_pods(build):
        pod = template["spec"]
        assert_restricted(pod)
        assert_user(build, pod)
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False
        assert pod["serviceAccountName"] == "eeg-letters"
        assert pod["restartPolicy"] == "Never"  # What the failure policy asks for.
    for container in commands(build).values():
        assert all(mount["readOnly"] for mount in container["volumeMounts"])


@DATABASE_BUILD
def test_any_quota_admits_what_runs_the_command(build: str) -> None:
    for container in commands(build).values():
        requests, limits = container["resources"]["requests"], container["resources"]["limits"]
        kinds = {"cpu", "memory", "ephemeral-storage"}
        assert set(requests) == set(limits) == kinds
        assert mebibytes(limits["ephemeral-storage"]) >= 5 * 10  # A kubelet's logs.


def test_waiting_for_the_tables_asks_for_no_larger_node(tmp_path: Path) -> None:
    local = "resources: [../../overlays/local]\ncomponents: [../../components/database]\n"
    for objects in (rendered.overlay(tmp_path, local), rendered.objects("tests/database")):
        (deployment,) = [item for item in objects if item["kind"] == "Deployment"]
        pod = deployment["spec"]["template"]["spec"]
        (first,), (service,) = pod["initContainers"], pod["containers"]
        for kind, size in (("cpu", millicores), ("memory", mebibytes)):
            asked = [size(c["resources"]["requests"][kind]) for c in (first, service)]
            assert asked[0] <= asked[1]


@DATABASE_BUILD
def test_a_rollout_is_patient_while_the_tables_are_made(build: str) -> None:
    waited = int(commands(build)["status"]["args"][-1])
    patience = rendered.only("base", "Deployment")["spec"]["progressDeadlineSeconds"]
    deployment = rendered.only(build, "Deployment")["spec"]
    assert deployment["progressDeadlineSeconds"] >= patience + waited


@DATABASE_BUILD
def test_a_pod_is_ready_without_its_database(build: str) -> None:
    service, before = rendered.container(build), rendered.container("base")
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert service[probe] == before[probe]


@DATABASE_BUILD
def test_migration_is_tried_again_and_made_again(build: str) -> None:
    job = migrating(build)
    assert job["metadata"]["annotations"] == {
        "argocd.argoproj.io/hook": "Sync",
        "argocd.argoproj.io/hook-delete-policy": "BeforeHookCreation",
        "kustomize.toolkit.fluxcd.io/force": "enabled",
    }
    spec = job["spec"]
    # From 10 s on, doubled up to 6 minutes: the database may be made by the same apply.
    waits = [min(10 * 2**retry, 360) for retry in range(spec["backoffLimit"])]
    assert sum(waits) >= 1800
    assert "activeDeadlineSeconds" not in spec  # It may wait for its Secret.
    assert 600 <= spec["ttlSecondsAfterFinished"] <= 86400
    for of in (spec, pruning(build)["spec"]["jobTemplate"]["spec"]):
        (ignored,) = of["podFailurePolicy"]["rules"]
        assert ignored["action"] == "Ignore"


@DATABASE_BUILD
def test_one_prune_a_night_and_none_stops_the_next(build: str) -> None:
    spec = pruning(build)["spec"]
    assert re.fullmatch(r"\d+ \d+ \* \* \*", spec["schedule"])
    assert spec["timeZone"] == "Etc/UTC"
    assert spec["concurrencyPolicy"] == "Forbid"
    night = 24 * 3600
    deadline = spec["jobTemplate"]["spec"]["activeDeadlineSeconds"]
    assert spec["startingDeadlineSeconds"] + deadline < night
    assert 1 <= spec["successfulJobsHistoryLimit"] <= spec["failedJobsHistoryLimit"] <= 5
    labels = spec["jobTemplate"]["metadata"]["labels"]
    assert labels["app.kubernetes.io/instance"] == "eeg-letters"  # `make undeploy` knows it.


@DATABASE_BUILD
def test_egress_is_to_the_database_and_dns_alone(build: str) -> None:
    server = rendered.pod_template(build)["metadata"]["labels"]
    jobs = [template["metadata"]["labels"] for template in job_pods(build)]
    policy = rendered.named(build, "NetworkPolicy", "eeg-letters-database")["spec"]
    assert matches(policy["podSelector"], server)
    assert not any(matches(policy["podSelector"], labels) for labels in jobs)
    assert policy["policyTypes"] == ["Egress"]
    of_jobs = rendered.named(build, "NetworkPolicy", "eeg-letters-database-jobs")["spec"]
    assert all(matches(of_jobs["podSelector"], labels) for labels in jobs)
    assert not matches(of_jobs["podSelector"], server)
    assert of_jobs["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in of_jobs
    assert policy["egress"] == of_jobs["egress"] == [TO_THE_DATABASE, TO_DNS]


@DATABASE_BUILD
def test_nothing_of_the_service_selects_the_jobs_pods(build: str) -> None:
    selectors = [
        rendered.only(build, "Service")["spec"]["selector"],
        rendered.only(build, "Deployment")["spec"]["selector"]["matchLabels"],
        rendered.only(build, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        rendered.named(build, "NetworkPolicy", "eeg-letters")["spec"]["podSelector"]["matchLabels"],
    ]
    for template in job_pods(build):
        for selector in selectors:
            assert not selector.items() <= template["metadata"]["labels"].items()


@pytest.mark.parametrize("gateway", ["gateway-api", "gateway-tls"])
def test_before_the_gateway_it_builds_and_lacks_its_routes_alone(
    tmp_path: Path, gateway: str
) -> None:
    def overlay(*components: str) -> list[Object]:
        listed = "".join(f"  - ../../components/{name}\n" for name in components)
        return rendered.overlay(tmp_path, f"resources: [../../base]\ncomponents:\n{listed}")

    def by_name(objects: list[Object]) -> dict[tuple[str, str], Object]:
        return {(item["kind"], item["metadata"]["name"]): item for item in objects}

    right = by_name(overlay(gateway, "database"))
    wrong = by_name(overlay("database", gateway))
    assert right.keys() == wrong.keys()
    differ = [key for key in right if right[key] != wrong[key]]
    assert differ == [("HTTPRoute", "eeg-letters")]


def snippets(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


def patched(tmp_path: Path, having: str) -> list[Object]:
    """What the documented overlay that has a text in it makes of the component."""
    (text,) = [text for text in snippets("yaml") if having in text]
    listed = {"resources": ["../../base"], "components": ["../../components/database"]}
    return rendered.overlay(tmp_path, yaml.safe_dump({**listed, **yaml.safe_load(text)}))


def test_the_documented_patch_names_another_secret_for_all_pods(tmp_path: Path) -> None:
    objects = patched(tmp_path, "secretName: letters-app")
    templates = rendered.pod_templates(objects)
    assert len(templates) == 3
    for template in templates:
        (secret,) = [v["secret"] for v in template["spec"]["volumes"] if "secret" in v]
        assert secret == {"secretName": "letters-app", "items": [{"key": "uri", "path": "uri"}]}


def test_a_secret_of_the_overlay_is_the_one_that_is_mounted(tmp_path: Path) -> None:
    objects = rendered.overlay(
        tmp_path,
        "resources: [../../base]\n"
        "components: [../../components/database]\n"
        "nameSuffix: -b\n"
        "namespace: eeg-letters\n"
        "secretGenerator: [{name: eeg-letters-database, literals: ['uri=sqlite:///x']}]\n",
    )
    (secret,) = [item for item in objects if item["kind"] == "Secret"]
    for template in rendered.pod_templates(objects):
        (volume,) = [v for v in template["spec"]["volumes"] if "secret" in v]
        assert volume["secret"]["secretName"] == secret["metadata"]["name"]


def test_the_documented_patch_narrows_both_policies(tmp_path: Path) -> None:
    objects = patched(tmp_path, "namespaceSelector")
    names = [i["metadata"]["name"] for i in objects if i["kind"] == "NetworkPolicy"]
    assert {"eeg-letters-database", "eeg-letters-database-jobs"} <= set(names)
    for item in objects:
        if item["kind"] == "NetworkPolicy" and "database" in item["metadata"]["name"]:
            for rule in item["spec"]["egress"]:
                assert rule["to"]


def test_the_documented_patch_has_the_tokens_where_the_service_looks(tmp_path: Path) -> None:
    objects = patched(tmp_path, "EEG_TOKENS_FILE")
    (config,) = [item for item in objects if item["kind"] == "ConfigMap"]
    file = read_settings(config["data"]).tokens_file
    assert file is not None
    (deployment,) = [item for item in objects if item["kind"] == "Deployment"]
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    (mount,) = [m for m in container["volumeMounts"] if m["mountPath"] == str(file.parent)]
    assert mount["readOnly"] is True
    (volume,) = [v for v in pod["volumes"] if v["name"] == mount["name"]]
    assert volume["secret"]["secretName"] == "eeg-letters-tokens"
    assert not volume["secret"].get("optional")
    assert [item["path"] for item in volume["secret"]["items"]] == [file.name]
    names = {volume["name"] for volume in pod["volumes"]}
    assert names == {"tmp", "database", "tokens"}  # Nothing is lost.


def test_the_documented_commands_make_a_token(tmp_path: Path) -> None:
    (text,) = [text for text in snippets("console") if "openssl" in text]
    made, _, _ = text.partition("kubectl")
    done = subprocess.run(
        ["sh", "-ec", f'{made}\necho "$token"'],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    token = done.stdout.split()[-1]
    assert len(token) >= 32
    name, digest, *rights = (tmp_path / "tokens").read_text(encoding="ascii").split()
    assert name.isalnum()
    assert digest == hashlib.sha256(token.encode()).hexdigest()
    assert rights == ["feedback", "log", "delete"]


def test_the_documented_cluster_and_pooler_fit_each_other() -> None:
    section = DOCUMENT.read_text(encoding="utf-8").partition("\n## A database\n")[2]
    applied = re.search(r"<<'EOF'\n(.*?)\nEOF\n", section.partition("\n## ")[0], re.DOTALL)
    assert applied is not None
    cluster, pooler = yaml.safe_load_all(applied[1])
    assert cluster["apiVersion"] == pooler["apiVersion"] == "postgresql.cnpg.io/v1"
    assert (cluster["kind"], pooler["kind"]) == ("Cluster", "Pooler")
    assert pooler["spec"]["cluster"] == {"name": cluster["metadata"]["name"]}
    assert pooler["metadata"]["name"] != cluster["metadata"]["name"]
    assert pooler["metadata"]["namespace"] == cluster["metadata"]["namespace"]
    assert pooler["spec"]["pgbouncer"]["poolMode"] == "transaction"
