"""What the schemas cannot say: the objects fit one another, the container and the project."""

from __future__ import annotations

import re
from typing import Any

import pytest

import eeg_letters
from eeg_letters.database import keeping
from eeg_letters.serving.admission import (
    CONNECTION_BYTES,
    DATABASE_BYTES,
    REST_BYTES,
    STREAM_BYTES,
)
from eeg_letters.serving.telemetry import tracing
from eeg_letters.settings import DRAIN_SECONDS, Settings, variables
from image.measure import MEMORY_GOAL_MB

from . import rendered
from .rendered import BUILDS

CONTAINER_PORT = 3000
USER = 1034
DATABASE_AT_REST_BYTES = 24_000_000  # Measured: with and without one, as the image serves.
VERSION_LABEL = "app.kubernetes.io/version"
EVERY_BUILD = pytest.mark.parametrize("build", BUILDS)


def selects(selector: dict[str, str], build: str) -> bool:
    labels = rendered.pod_template(build)["metadata"]["labels"]
    return bool(selector) and selector.items() <= labels.items()


@EVERY_BUILD
def test_selectors_match_the_pods(build: str) -> None:
    deployment = rendered.only(build, "Deployment")["spec"]
    spread = deployment["template"]["spec"]["topologySpreadConstraints"]
    selectors = [
        rendered.only(build, "Service")["spec"]["selector"],
        deployment["selector"]["matchLabels"],
        rendered.only(build, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        *(constraint["labelSelector"]["matchLabels"] for constraint in spread),
    ]
    for selector in selectors:
        assert selects(selector, build)
        assert VERSION_LABEL not in selector  # A selector cannot follow the version.


@EVERY_BUILD
def test_the_service_reaches_a_port_of_the_container(build: str) -> None:
    assert rendered.container(build)["ports"] == [{"name": "http", "containerPort": CONTAINER_PORT}]
    for port in rendered.only(build, "Service")["spec"]["ports"]:
        assert port["targetPort"] == "http"


@EVERY_BUILD
def test_probes(build: str) -> None:
    container = rendered.container(build)
    probes = {name: container[f"{name}Probe"] for name in ("startup", "readiness", "liveness")}
    assert {name: probe["httpGet"] for name, probe in probes.items()} == {
        "startup": {"path": "/livez", "port": "http"},
        "readiness": {"path": "/readyz", "port": "http"},
        "liveness": {"path": "/livez", "port": "http"},
    }
    assert all(probe["timeoutSeconds"] >= 3 for probe in probes.values())
    assert patience(probes["startup"]) >= 60  # It is ready after 1 s on an idle core.
    assert patience(probes["liveness"]) >= 60
    assert patience(probes["readiness"]) <= 15
    deadline = rendered.only(build, "Deployment")["spec"]["progressDeadlineSeconds"]
    assert deadline > patience(probes["startup"])


def patience(probe: dict[str, int]) -> int:
    """How many seconds of failures a probe bears."""
    return probe["periodSeconds"] * probe["failureThreshold"]


@EVERY_BUILD
def test_the_end_of_a_pod_fits_its_grace_period(build: str) -> None:
    sleep = rendered.container(build)["lifecycle"]["preStop"]["sleep"]["seconds"]
    grace = rendered.pod_template(build)["spec"]["terminationGracePeriodSeconds"]
    assert 0 < sleep < DRAIN_SECONDS < grace
    # At the same time: the last spans, and the last rows for a database.
    assert sleep + DRAIN_SECONDS + max(tracing.FLUSH_SECONDS, keeping.FLUSH_SECONDS) < grace


@EVERY_BUILD
def test_a_rollout_keeps_all_pods(build: str) -> None:
    spec = rendered.only(build, "Deployment")["spec"]
    assert spec["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1},
    }
    assert spec["minReadySeconds"] > 0


@EVERY_BUILD
def test_resources(build: str) -> None:
    resources = rendered.container(build)["resources"]
    requests, limits = resources["requests"], resources["limits"]
    if rendered.has(build, "quota"):
        # No less than the one core that a worker can use.
        assert millicores(limits["cpu"]) == 1000
        # More than /tmp can hold, since logs count, too.
        assert requests["ephemeral-storage"] == limits["ephemeral-storage"]
        assert mebibytes(limits["ephemeral-storage"]) >= 128 + 5 * 10
    else:
        assert set(limits) == {"memory"}  # No CPU limit.
    # At least what the image takes at rest; what many large bodies take is in the limit.
    has_database = rendered.has(build, "database")
    at_rest = MEMORY_GOAL_MB * 1e6 + DATABASE_AT_REST_BYTES * has_database
    assert mebibytes(requests["memory"]) * 2**20 >= at_rest
    assert mebibytes(requests["memory"]) < mebibytes(limits["memory"]) <= 1024
    most = REST_BYTES + Settings().max_bytes_in_flight + DATABASE_BYTES * has_database
    most += Settings().max_streams * STREAM_BYTES
    left = mebibytes(limits["memory"]) * 2**20 - most
    assert left // CONNECTION_BYTES >= 400
    assert 0 < millicores(requests["cpu"]) <= 1000  # A worker cannot use more than a core.


def millicores(quantity: str) -> int:
    match = re.fullmatch(r"(\d+)(m?)", quantity)
    assert match, quantity
    return int(match[1]) * (1 if match[2] else 1000)


def mebibytes(quantity: str) -> int:
    match = re.fullmatch(r"(\d+)(Mi|Gi)", quantity)
    assert match, quantity
    return int(match[1]) * (1 if match[2] == "Mi" else 1024)


@EVERY_BUILD
def test_the_security_context_is_restricted_and_more(build: str) -> None:
    pod = rendered.pod_template(build)["spec"]
    assert_restricted(pod)
    assert_user(build, pod)
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    account = rendered.only(build, "ServiceAccount")
    assert account["metadata"]["name"] == pod["serviceAccountName"]
    assert account["automountServiceAccountToken"] is False


def test_the_loader_is_admitted_and_can_write_for_the_service() -> None:
    (pod,) = rendered.read(rendered.K8S / "components" / "own-recordings" / "loader.yaml")
    assert_restricted(pod["spec"])
    assert pod["spec"]["securityContext"]["runAsUser"] == USER
    claims = {
        volume["persistentVolumeClaim"]["claimName"]
        for spec in (pod["spec"], rendered.pod_template("tests/own-recordings")["spec"])
        for volume in spec["volumes"]
        if "persistentVolumeClaim" in volume
    }
    claim = rendered.only("tests/own-recordings", "PersistentVolumeClaim")
    assert claims == {claim["metadata"]["name"]}


def assert_user(build: str, pod: dict[str, Any]) -> None:
    """The image's user and group; on OpenShift none, since it assigns and refuses them."""
    ids = {
        key: value
        for key, value in pod["securityContext"].items()
        if key not in {"runAsNonRoot", "seccompProfile", "fsGroupChangePolicy"}
    }
    if rendered.has(build, "openshift"):
        assert ids == {}
    else:
        assert {"runAsUser", "runAsGroup"} <= set(ids)
        assert set(ids.values()) == {USER}


def assert_restricted(pod: dict[str, Any]) -> None:
    """The Pod Security Standard "restricted", and a root file system that is read-only."""
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
    for container in [*pod.get("initContainers", []), *pod["containers"]]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
    for volume in pod["volumes"]:
        assert set(volume) - {"name"} <= {"emptyDir", "persistentVolumeClaim", "secret"}


@EVERY_BUILD
def test_only_tmp_can_be_written(build: str) -> None:
    mounts = {m["mountPath"]: m for m in rendered.container(build)["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in rendered.pod_template(build)["spec"]["volumes"]}
    writable = [path for path, mount in mounts.items() if not mount.get("readOnly")]
    assert writable == ["/tmp"]
    assert mebibytes(volumes[mounts["/tmp"]["name"]]["emptyDir"]["sizeLimit"])


@pytest.mark.parametrize("build", [build for build in BUILDS if rendered.has(build, "namespace")])
def test_a_namespace_of_our_own_enforces_restricted(build: str) -> None:
    labels = rendered.only(build, "Namespace")["metadata"]["labels"]
    for mode in ("enforce", "audit", "warn"):
        assert labels[f"pod-security.kubernetes.io/{mode}"] == "restricted"
        assert labels[f"pod-security.kubernetes.io/{mode}-version"] == "latest"


@EVERY_BUILD
def test_the_network_is_closed_but_for_http_in(build: str) -> None:
    own = {p["metadata"]["name"]: p["spec"] for p in rendered.of_kind(build, "NetworkPolicy")}
    server = own.pop("eeg-letters")
    assert selects(server["podSelector"]["matchLabels"], build)
    assert server["ingress"] == [{"ports": [{"port": CONTAINER_PORT, "protocol": "TCP"}]}]
    assert server["policyTypes"] == ["Ingress", "Egress"]
    assert "egress" not in server
    outwards = {name for name, policy in own.items() if "egress" in policy}
    expected = {"eeg-letters-egress"} if rendered.has(build, "egress") else set()
    if rendered.has(build, "database"):
        expected |= {"eeg-letters-database", "eeg-letters-database-jobs"}
    assert outwards == expected
    # Two policies of a namespace of our own are for its other pods: test_namespace.py.
    inwards = {name for name, policy in own.items() if "ingress" in policy}
    assert inwards == ({"acme-http01-solver"} if rendered.has(build, "namespace") else set())


@pytest.mark.parametrize("build", [build for build in BUILDS if rendered.has(build, "egress")])
def test_egress_is_for_the_service_and_to_anywhere(build: str) -> None:
    (policy,) = [p for p in rendered.of_kind(build, "NetworkPolicy") if "egress" in p["spec"]]
    assert policy["spec"]["egress"] == [{}]
    assert policy["spec"]["policyTypes"] == ["Egress"]
    assert selects(policy["spec"]["podSelector"]["matchLabels"], build)


@EVERY_BUILD
def test_the_deployment_reads_the_settings(build: str) -> None:
    settings = rendered.only(build, "ConfigMap")
    name = settings["metadata"]["name"]
    assert re.fullmatch(r"eeg-letters-[0-9a-z]{10}", name)  # Hashed: a change rolls out.
    assert rendered.container(build)["envFrom"] == [{"configMapRef": {"name": name}}]
    assert set(settings["data"]) <= set(variables())


def test_a_changed_setting_changes_the_name() -> None:
    base, own = (rendered.only(build, "ConfigMap") for build in ("base", "tests/own-recordings"))
    assert base["metadata"]["name"] != own["metadata"]["name"]
    assert base["data"].items() < own["data"].items()  # Merged, nothing lost.


@pytest.mark.parametrize("build", [build for build in BUILDS if "own-recordings" in build])
def test_own_recordings_are_where_the_service_looks(build: str) -> None:
    (mount,) = [m for m in rendered.container(build)["volumeMounts"] if m["name"] == "recordings"]
    assert mount["readOnly"] is True
    path = rendered.only(build, "ConfigMap")["data"]["EEG_TEST_DATA"]
    assert path.startswith(f"{mount['mountPath']}/")


@EVERY_BUILD
def test_the_version_is_the_projects(build: str) -> None:
    template = rendered.pod_template(build)
    assert rendered.container(build)["image"].rpartition(":")[2] == eeg_letters.__version__
    labels = [item["metadata"].get("labels", {}) for item in [*rendered.objects(build), template]]
    assert {label[VERSION_LABEL] for label in labels if VERSION_LABEL in label} == {
        eeg_letters.__version__
    }
    assert VERSION_LABEL in template["metadata"]["labels"]


def test_the_version_stands_in_one_file() -> None:
    found = [
        path.relative_to(rendered.K8S).as_posix()
        for path in rendered.K8S.rglob("*.yaml")
        for line in path.read_text(encoding="utf-8").splitlines()
        if eeg_letters.__version__ in line
    ]
    assert found == ["base/kustomization.yaml"] * 2


@pytest.mark.parametrize("build", [build for build in BUILDS if build != "overlays/production"])
def test_the_image_is_the_one_built_locally(build: str) -> None:
    container = rendered.container(build)
    assert container["image"] == f"eeg-letters:{eeg_letters.__version__}"
    assert container["imagePullPolicy"] == "IfNotPresent"  # "Always" would look for a registry.


def test_production_takes_its_image_from_a_registry() -> None:
    assert "/" in rendered.container("overlays/production")["image"]


@EVERY_BUILD
def test_standard_labels(build: str) -> None:
    for item in rendered.objects(build):
        labels = item["metadata"]["labels"]
        assert labels["app.kubernetes.io/part-of"] == "eeg-letters"
        assert labels["app.kubernetes.io/managed-by"] == "kustomize"


@EVERY_BUILD
def test_the_number_of_pods_has_one_owner(build: str) -> None:
    deployment = rendered.only(build, "Deployment")
    scalers = rendered.of_kind(build, "HorizontalPodAutoscaler")
    assert bool(scalers) == ("autoscaling" in build or build == "overlays/production")
    if not scalers:
        assert deployment["spec"]["replicas"] == (2 if build == "overlays/local" else 3)
        return
    (scaler,) = scalers
    assert "replicas" not in deployment["spec"]
    assert scaler["spec"]["scaleTargetRef"] == {
        "apiVersion": deployment["apiVersion"],
        "kind": "Deployment",
        "name": deployment["metadata"]["name"],
    }
    assert 2 <= scaler["spec"]["minReplicas"] < scaler["spec"]["maxReplicas"]
    (metric,) = scaler["spec"]["metrics"]
    assert metric["resource"]["target"]["averageUtilization"] <= 100


@EVERY_BUILD
def test_a_node_can_be_drained(build: str) -> None:
    budget = rendered.only(build, "PodDisruptionBudget")["spec"]
    assert budget["maxUnavailable"] == 1  # Fits any number of pods.
    assert budget["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
