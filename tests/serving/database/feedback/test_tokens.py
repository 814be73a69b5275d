"""Who may do what: bearer tokens, over HTTP."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import httpx
import pytest

from eeg_letters.errors import UserError
from eeg_letters.serving.database.feedback.tokens import TokensFile
from tests.conftest import ROOT, bentoml_command, environment
from tests.serving.database.feedback.conftest import Service, serving, with_tables

REALM = 'Bearer realm="eeg-letters"'
# The same in every process: tests are told apart by what they are given.
TOKENS = {
    name: sha256(name.encode()).hexdigest() for name in ("annotator", "reader", "eraser", "next")
}
SCOPES = {"annotator": "feedback", "reader": "log", "eraser": "delete", "next": "feedback log"}
ROUTES = {
    "feedback": ("POST", "/feedback"),
    "log": ("GET", "/predictions/log"),
    "delete": ("DELETE", "/sessions/nobody"),
}


def line(name: str) -> str:
    return f"{name} {sha256(TOKENS[name].encode()).hexdigest()} {SCOPES[name]}\n"


def write(file: Path, *names: str) -> Path:
    """The file with the tokens of some names, put in place at once."""
    other = file.with_name("other")
    other.write_text(f"# NAME SHA256HEX SCOPE…\n\n{''.join(map(line, names))}")
    return other.replace(file)


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("tokens") / "tokens", "annotator", "reader", "eraser")


@pytest.fixture(scope="module")
def guarded(
    trained_home: Path, tokens: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """A service whose tokens are in a file, and an SQLite database."""
    folder = tmp_path_factory.mktemp("guarded")
    address = with_tables(f"sqlite:///{folder}/letters.sqlite")
    with serving(trained_home, address, folder / "log", EEG_TOKENS_FILE=str(tokens)) as service:
        yield service


def ask(service: Service, route: str, authorization: str | None) -> httpx.Response:
    method, path = ROUTES[route]
    told = {"request_id": "nobody", "label": 1} if method == "POST" else None
    headers = {} if authorization is None else {"authorization": authorization}
    return service.client.request(method, path, headers=headers, json=told)


def bearer(name: str) -> str:
    return f"Bearer {TOKENS[name]}"


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("name", ["annotator", "reader", "eraser"])
def test_a_token_is_for_its_scope_alone(guarded: Service, route: str, name: str) -> None:
    response = ask(guarded, route, bearer(name))
    if SCOPES[name] == route:
        assert response.status_code in {200, 404}
        assert "www-authenticate" not in response.headers
    else:
        assert response.status_code == 403
        challenge = f'{REALM}, error="insufficient_scope", scope="{route}"'
        assert response.headers["www-authenticate"] == challenge


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    ("authorization", "status", "error"),
    [
        (None, 401, ""),
        ("Basic YTpi", 401, ""),
        ("Bearerx abc", 401, ""),
        ("", 401, ""),
        ("Bearer", 400, "invalid_request"),
        ("Bearer a b", 400, "invalid_request"),
        ("Bearer a,b", 400, "invalid_request"),
        ("Bearer =", 400, "invalid_request"),
        ("Bearer unknown", 401, "invalid_token"),
        (f"Bearer {sha256(TOKENS['reader'].encode()).hexdigest()}", 401, "invalid_token"),
        (f"Bearer {TOKENS['next']}", 401, "invalid_token"),
    ],
)
def test_what_is_no_token_is_told_as_the_rfc_has_it(
    guarded: Service, route: str, authorization: str | None, status: int, error: str
) -> None:
    response = ask(guarded, route, authorization)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    challenge = f'{REALM}, error="{error}"' if error else REALM
    assert response.headers["www-authenticate"] == challenge


def test_the_scheme_is_in_any_case(guarded: Service) -> None:
    for scheme in ("bearer", "BEARER", "Bearer "):
        assert ask(guarded, "log", f"{scheme} {TOKENS['reader']}").status_code == 200


def test_accuracy_is_open_unless_it_names_sessions(guarded: Service) -> None:
    for by in ("version", "class"):
        assert guarded.client.get("/accuracy", params={"by": by}).status_code == 200
    by_session = guarded.client.get("/accuracy?by=session")
    assert by_session.status_code == 401
    headers = {"authorization": bearer("reader")}
    assert guarded.client.get("/accuracy?by=session", headers=headers).status_code == 200


def test_who_told_is_kept(guarded: Service) -> None:
    request_id = guarded.predict()
    headers = {"authorization": bearer("annotator")}
    told = {"request_id": request_id, "label": 3}
    assert guarded.client.post("/feedback", json=told, headers=headers).status_code == 202
    with guarded.engine.connect() as connection:
        names = connection.exec_driver_sql("SELECT DISTINCT told_by FROM feedback").scalars().all()
    assert names == ["annotator"]


def test_a_file_that_changes_is_read_again(guarded: Service, tokens: Path) -> None:
    write(tokens, "annotator", "next", "eraser")
    assert ask(guarded, "log", bearer("next")).status_code == 200
    assert ask(guarded, "log", bearer("reader")).status_code == 401
    # A mounted Secret is a link to a folder that is changed.
    link = tokens.with_name("link")
    link.symlink_to(tokens.rename(tokens.with_name("linked")))
    link.rename(tokens)
    assert ask(guarded, "log", bearer("next")).status_code == 200
    link.symlink_to(write(tokens.with_name("linked too"), "annotator", "reader", "eraser"))
    link.rename(tokens)
    assert ask(guarded, "log", bearer("reader")).status_code == 200
    assert ask(guarded, "log", bearer("next")).status_code == 401
    write(tokens, "annotator", "reader", "eraser")


def test_a_file_that_cannot_be_read_any_more_lets_nobody_pass(
    guarded: Service, tokens: Path
) -> None:
    assert ask(guarded, "log", bearer("reader")).status_code == 200
    kept = tokens.read_text()
    said = guarded.log.read_text().count("EEG_TOKENS_FILE")
    for spoil in (
        tokens.unlink,
        lambda: tokens.write_text(kept + "reader not-a-digest log\n"),
        lambda: tokens.write_bytes(kept.encode() + b"\xff"),
    ):
        spoil()
        for _ in range(3):
            response = ask(guarded, "log", bearer("reader"))
            assert response.status_code == 503
            assert response.headers["retry-after"] == "5"
        assert guarded.client.get("/accuracy").status_code == 200
        said += 1
        assert guarded.log.read_text().count("EEG_TOKENS_FILE") == said
        tokens.write_text(kept)
        assert ask(guarded, "log", bearer("reader")).status_code == 200
    assert "not-a-digest" not in guarded.log.read_text()


def test_nothing_of_a_token_is_told(guarded: Service) -> None:
    answers = ""
    for name, token in TOKENS.items():
        for route in ROUTES:
            response = ask(guarded, route, bearer(name))
            answers += f"{response.headers}{response.text}"
            answers += ask(guarded, route, f"Bearer {token} {token}").text
    answers += guarded.client.get("/metrics").text + guarded.log.read_text()
    for name, token in TOKENS.items():
        digest = line(name).split()[1]
        assert not any(part in answers for part in (token, token[:12], digest, digest[:12]))


def test_without_a_setting_the_routes_are_off(trained_home: Path, tmp_path: Path) -> None:
    address = with_tables(f"sqlite:///{tmp_path}/letters.sqlite")
    with serving(trained_home, address, tmp_path / "log") as service:
        for route in ROUTES:
            response = ask(service, route, bearer("reader"))
            assert response.status_code == 404
            for setting in ("EEG_TOKENS_FILE", "EEG_OPEN_FEEDBACK=true"):
                assert setting in response.json()["detail"]
        assert service.client.get("/predictions/log/x").status_code == 404
        assert service.client.get("/accuracy?by=session").status_code == 404
        assert service.client.get("/accuracy").status_code == 200


GOOD = line("reader")


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("reader\n", "line 1"),
        (f"{GOOD}\n# x\nreader {'0' * 63} log\n", "line 4"),
        (f"reader {'g' * 64} log\n", "line 1"),
        (f"reader {'0' * 64}\n", "line 1: the scopes"),
        (f"reader {'0' * 64} log everything\n", "line 1: the scopes"),
        (f"rea:der {'0' * 64} log\n", "line 1"),
        (f"{GOOD}{GOOD}", "one token is in two lines"),
        (f"{TOKENS['reader']} reader log\n", "line 1"),
    ],
)
def test_a_malformed_file_is_refused_by_its_line(tmp_path: Path, text: str, where: str) -> None:
    file = tmp_path / "tokens"
    file.write_text(text)
    with pytest.raises(UserError) as refused:
        TokensFile(file)
    assert where in str(refused.value)
    told = str(refused.value).replace(str(file), "")
    assert not any(word in told for word in text.split() if len(word) > 10)


def test_a_service_without_its_tokens_does_not_start(trained_home: Path, tmp_path: Path) -> None:
    address = with_tables(f"sqlite:///{tmp_path}/letters.sqlite")
    for text, why in ((None, "No such file"), ("reader 1 log\n", "line 1")):
        file = tmp_path / "tokens"
        if text is not None:
            file.write_text(text)
        finished = subprocess.run(
            bentoml_command("serve", "service:EEGLetters", "--port", "0"),
            cwd=ROOT,
            env=environment(trained_home, EEG_DATABASE=address, EEG_TOKENS_FILE=str(file)),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert finished.returncode == 1
        assert f"EEG_TOKENS_FILE={file}" in finished.stderr
        assert why in finished.stderr
        assert "Traceback" not in finished.stderr
