"""What is reachable from outside: the public paths, by Ingress or HTTPRoute, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from eeg_letters.settings import DRAIN_SECONDS

from . import rendered
from .rendered import BUILDS, Object

PUBLIC = ["/", "/line/1", "/prediction/1", "/score", "/predict", "/models", "/predictions"]
PUBLIC += ["/live"]
PUBLIC += ["/v2", "/v2/models/eeg-lda/infer"]
PUBLIC += ["/v2/health/ready", "/docs", "/docs/0a/swagger-ui.css", "/docs.json", "/schema.json"]
INTERNAL = ["/metrics", "/metrics/", "/livez", "/readyz", "/healthz"]
OF_A_DATABASE = ["/recordings", "/recordings/session2/line/1", "/recordings/session2/predictions"]
OF_A_DATABASE += [
    "/predictions/log",
    "/predictions/log/0a",
    "/feedback",
    "/accuracy",
    "/sessions/a",
]
NO_SUCH = [
    "/feedback/1",
    "/accuracy/1",
    "/predictions/logs",
    "/line1",
    "/predictions/1",
    "/predict/more",
    "/live/1",
    "/lively",
    "/v2x",
    "/v1",
    "/index.html",
]

EVERY_BUILD = pytest.mark.parametrize("build", BUILDS)
GATEWAY_BUILD = pytest.mark.parametrize("build", [build for build in BUILDS if "gateway" in build])
TLS_INGRESS_BUILD = pytest.mark.parametrize(
    "build",
    [b for b in BUILDS if b == "overlays/production" or ("tls" in b and "gateway" not in b)],
)
TLS_GATEWAY_BUILD = pytest.mark.parametrize("build", [b for b in BUILDS if "gateway-tls" in b])

Route = tuple[str, str, Object]  # Type and value of a path, and the backend it leads to.


def routes(build: str) -> Iterator[Route]:
    for ingress in rendered.of_kind(build, "Ingress"):
        assert "defaultBackend" not in ingress["spec"]
        for rule in ingress["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                yield path["pathType"], path["path"], path["backend"]["service"]
    for route in rendered.of_kind(build, "HTTPRoute"):
        for rule in route["spec"]["rules"]:
            for backend in rule.get("backendRefs", []):  # A redirect has none.
                for match in rule["matches"]:
                    yield match["path"]["type"], match["path"]["value"], backend


def leads(route: Route, path: str) -> bool:
    """Whether a route takes a path. Both APIs mean whole segments by a prefix."""
    kind, value, _ = route
    if kind == "Exact":
        return path == value
    assert kind in {"Prefix", "PathPrefix"}
    return path == value or path.startswith(value.rstrip("/") + "/")


@EVERY_BUILD
def test_the_public_paths_are_routed_and_no_others(build: str) -> None:
    known = list(routes(build))
    paths = PUBLIC + OF_A_DATABASE + INTERNAL + NO_SUCH
    public = PUBLIC + (OF_A_DATABASE if rendered.has(build, "database") else [])
    assert [path for path in paths if any(leads(route, path) for route in known)] == public


@EVERY_BUILD
def test_backends_exist(build: str) -> None:
    service = rendered.only(build, "Service")
    (port,) = service["spec"]["ports"]
    for _, _, backend in routes(build):
        assert backend["name"] == service["metadata"]["name"]
        assert backend["port"] in ({"name": port["name"]}, port["port"])


@EVERY_BUILD
def test_there_is_one_ingress_or_route(build: str) -> None:
    by_gateway = "gateway" in build
    assert len(rendered.of_kind(build, "Ingress")) == (0 if by_gateway else 1)
    assert len(rendered.of_kind(build, "Gateway")) == (1 if by_gateway else 0)


@pytest.mark.parametrize("build", ["base", "overlays/local"])
def test_a_first_try_needs_no_class_and_no_host(build: str) -> None:
    ingress = rendered.only(build, "Ingress")
    assert "annotations" not in ingress["metadata"]
    assert set(ingress["spec"]) == {"rules"}
    assert all("host" not in rule for rule in ingress["spec"]["rules"])


@TLS_INGRESS_BUILD
def test_tls_on_the_ingress(build: str) -> None:
    ingress = rendered.only(build, "Ingress")
    assert ingress["metadata"]["annotations"]["cert-manager.io/cluster-issuer"]
    (tls,) = ingress["spec"]["tls"]
    assert tls["hosts"] == [rule["host"] for rule in ingress["spec"]["rules"]]
    assert tls["secretName"] == "eeg-letters-tls"


# The Gateway API's objects are custom resources, whose schemas are not at hand. These tests say
# what Gateway API 1.6 asks of the fields that are used here, and that there are no others.


@GATEWAY_BUILD
def test_the_gateway_has_the_fields_of_its_api(build: str) -> None:
    gateway = rendered.only(build, "Gateway")
    assert gateway["apiVersion"] == "gateway.networking.k8s.io/v1"
    assert set(gateway["spec"]) == {"gatewayClassName", "listeners"}
    assert gateway["spec"]["gatewayClassName"]
    listeners = gateway["spec"]["listeners"]
    assert len({listener["name"] for listener in listeners}) == len(listeners)
    for listener in listeners:
        fields = {"name", "protocol", "port", "allowedRoutes"}
        if listener["protocol"] == "HTTPS":
            fields |= {"hostname", "tls"}
            assert set(listener["tls"]) == {"mode", "certificateRefs"}
            assert listener["tls"]["mode"] == "Terminate"
            assert [set(ref) for ref in listener["tls"]["certificateRefs"]] == [{"name"}]
        assert set(listener) == fields
        assert listener["allowedRoutes"] == {"namespaces": {"from": "Same"}}
    assert [(listener["protocol"], listener["port"]) for listener in listeners] == (
        [("HTTP", 80), ("HTTPS", 443)] if "tls" in build else [("HTTP", 80)]
    )


@GATEWAY_BUILD
def test_http_routes_have_the_fields_of_their_api(build: str) -> None:
    for route in rendered.of_kind(build, "HTTPRoute"):
        assert route["apiVersion"] == "gateway.networking.k8s.io/v1"
        assert {"parentRefs", "rules"} <= set(route["spec"])
        assert set(route["spec"]) <= {"parentRefs", "rules", "hostnames"}
        for rule in route["spec"]["rules"]:
            # A redirect and a backend exclude one another.
            assert set(rule) in ({"filters"}, {"matches", "timeouts", "backendRefs"})
            for match in rule.get("matches", []):
                assert set(match) == {"path"}
                assert set(match["path"]) == {"type", "value"}
                assert match["path"]["type"] in {"Exact", "PathPrefix"}
                assert match["path"]["value"].startswith("/")


@GATEWAY_BUILD
def test_http_routes_attach_to_a_listener(build: str) -> None:
    gateway = rendered.only(build, "Gateway")
    listeners = {listener["name"]: listener for listener in gateway["spec"]["listeners"]}
    for route in rendered.of_kind(build, "HTTPRoute"):
        (parent,) = route["spec"]["parentRefs"]
        assert parent["name"] == gateway["metadata"]["name"]
        if "sectionName" in parent:
            hostname = listeners[parent["sectionName"]].get("hostname")
            assert hostname is None or route["spec"]["hostnames"] == [hostname]


@GATEWAY_BUILD
def test_no_request_outlives_a_pod(build: str) -> None:
    (route,) = [r for r in rendered.of_kind(build, "HTTPRoute") if "-redirect" not in name(r)]
    rule, _ = route["spec"]["rules"]
    assert set(rule["timeouts"]) == {"request", "backendRequest"}
    assert seconds(rule["timeouts"]["backendRequest"]) <= seconds(rule["timeouts"]["request"])
    assert 0 < seconds(rule["timeouts"]["request"]) <= DRAIN_SECONDS


@GATEWAY_BUILD
def test_streams_have_no_time_limit_and_nothing_else_is_without(build: str) -> None:
    (route,) = [r for r in rendered.of_kind(build, "HTTPRoute") if "-redirect" not in name(r)]
    endless = {
        match["path"]["value"]
        for rule in route["spec"]["rules"]
        for match in rule["matches"]
        if seconds(rule["timeouts"]["request"]) == 0
    }
    assert endless == {"/live"}


def seconds(duration: str) -> int:
    match = re.fullmatch(r"(\d{1,5})s", duration)
    assert match, duration
    return int(match[1])


def name(item: Object) -> str:
    return str(item["metadata"]["name"])


@TLS_GATEWAY_BUILD
def test_tls_on_the_gateway_leaves_no_plain_way_to_the_service(build: str) -> None:
    gateway = rendered.only(build, "Gateway")
    assert gateway["metadata"]["annotations"]["cert-manager.io/cluster-issuer"]
    sections = {name(r): r["spec"]["parentRefs"] for r in rendered.of_kind(build, "HTTPRoute")}
    assert sections == {
        "eeg-letters": [{"name": "eeg-letters", "sectionName": "https"}],
        "eeg-letters-redirect": [{"name": "eeg-letters", "sectionName": "http"}],
    }
    (redirect,) = [r for r in rendered.of_kind(build, "HTTPRoute") if "-redirect" in name(r)]
    assert redirect["spec"]["rules"] == [
        {
            "filters": [
                {
                    "type": "RequestRedirect",
                    "requestRedirect": {"scheme": "https", "statusCode": 301},
                }
            ]
        }
    ]
