"""The settings, as docs/operations.md lists them."""

from __future__ import annotations

import re

import pytest

from eeg_letters.errors import UserError
from eeg_letters.settings import Settings, read_settings, sends_traces, variables
from tests.conftest import ROOT


def test_every_setting_is_documented_with_its_default() -> None:
    listed = dict(
        re.findall(
            r"^\| `(EEG_\w+)` \| `?([^`|]+?)`? \|",
            (ROOT / "docs/operations.md").read_text(),
            re.MULTILINE,
        )
    )
    assert set(listed) == set(variables())
    given = {name: default for name, default in listed.items() if default != "–"}
    assert read_settings(given) == Settings()


def test_an_empty_variable_counts_as_absent() -> None:
    assert read_settings(dict.fromkeys(variables(), "")) == Settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("EEG_MAX_BODY_BYTES", "8MiB"),
        ("EEG_MAX_ROWS", "0"),
        ("EEG_MAX_CELLS", "0"),
        ("EEG_MAX_CONCURRENCY", "-1"),
        ("EEG_MAX_CONNECTIONS", "0"),
        ("EEG_KEEP_ALIVE_SECONDS", "-"),
        ("EEG_BODY_TIMEOUT_SECONDS", "1.5"),
        ("EEG_LOG_FORMAT", "xml"),
        ("EEG_ALLOWED_HOSTS", "http://localhost"),
        ("EEG_ALLOWED_HOSTS", "localhost,,127.0.0.1"),
        ("EEG_ALLOWED_HOSTS", "::1"),
        ("EEG_ALLOWED_HOSTS", "a b"),
    ],
)
def test_a_value_that_cannot_be_understood_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(UserError, match=f"{name}={value}"):
        read_settings({name: value})


def test_allowed_hosts_are_names_without_ports_and_case() -> None:
    settings = read_settings({"EEG_ALLOWED_HOSTS": "LocalHost:3000, 127.0.0.1 ,[::1]:80"})
    assert settings.allowed_hosts == frozenset({b"localhost", b"127.0.0.1", b"[::1]"})


@pytest.mark.parametrize(
    ("value", "origins"),
    [
        ("*", ("*",)),
        ("https://app.example.org", ("https://app.example.org",)),
        (
            "https://App.example.org , http://localhost:8080,http://[::1]:8081",
            ("https://app.example.org", "http://localhost:8080", "http://[::1]:8081"),
        ),
        ("capacitor://localhost", ("capacitor://localhost",)),
    ],
)
def test_origins_are_listed_with_commas(value: str, origins: tuple[str, ...]) -> None:
    assert read_settings({"EEG_CORS_ORIGINS": value}).cors_origins == origins


@pytest.mark.parametrize(
    "value",
    [
        "app.example.org",
        "https://app.example.org/",
        "https://app.example.org:443",
        "http://app.example.org:80",
        "https://*.example.org",
        "https://bücher.example",
        "https://a b",
        "https://user@app.example.org",
        "null",
        "*, https://app.example.org",
        "https://app.example.org,",
        "https://app.example.org\r\nx: y",
    ],
)
def test_what_is_no_origin_is_refused_by_name(value: str) -> None:
    with pytest.raises(UserError, match=r"EEG_CORS_ORIGINS: .* is no origin"):
        read_settings({"EEG_CORS_ORIGINS": value})


COLLECTOR = "http://collector:4318"


@pytest.mark.parametrize(
    ("environment", "sent"),
    [
        ({}, False),
        ({"OTEL_SERVICE_NAME": "letters"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": COLLECTOR}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{COLLECTOR}/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": COLLECTOR, "OTEL_SDK_DISABLED": "TRUE"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": COLLECTOR, "OTEL_SDK_DISABLED": "false"}, True),
        (
            {
                "OTEL_EXPORTER_OTLP_ENDPOINT": COLLECTOR,
                "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
                "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
            },
            True,
        ),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": COLLECTOR, "OTEL_TRACES_EXPORTER": "None"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": COLLECTOR, "OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": COLLECTOR, "OTEL_TRACES_EXPORTER": "console, otlp"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": COLLECTOR, "OTEL_EXPORTER_OTLP_TIMEOUT": "0.5"}, True),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": COLLECTOR, "OTEL_EXPORTER_OTLP_CERTIFICATE": __file__},
            True,
        ),
    ],
)
def test_traces_are_sent_where_a_collector_is_named(
    environment: dict[str, str], sent: bool
) -> None:
    assert sends_traces(environment) is sent


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:port"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://[collector"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"),
        ("OTEL_TRACES_EXPORTER", "zipkin"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "ten"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "nan"),
        ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "-1"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "nowhere.pem"),
        ("OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", "nowhere.pem"),
    ],
)
def test_an_unsupported_collector_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(UserError, match=name):
        sends_traces({"OTEL_EXPORTER_OTLP_ENDPOINT": COLLECTOR, name: value})
