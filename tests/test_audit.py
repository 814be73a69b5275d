"""`python -m image.audit`, and `make release-check`, against a server that speaks OSV's API."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from image.audit import CLEAN, FINDING, KNOWN, NOT_LOOKED_UP, locked
from tests.conftest import ROOT, environment, make_command

Named = tuple[str, str, str]
NUMPY = ("PyPI", "numpy")
SWAGGER_UI = ("npm", "swagger-ui-dist")
ADVISORY = {
    "id": "GHSA-1",
    "summary": "Reads what it should not",
    "aliases": ["PYSEC-1"],
    "affected": [
        {
            "package": {"ecosystem": "PyPI", "name": "numpy"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99.1"}]}],
        }
    ],
}


@dataclass
class Database:
    """What the server knows and how it fails; a page has one vulnerability."""

    vulnerable: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    records: dict[str, Any] = field(default_factory=dict)
    knows_the_known: bool = True
    lost_results: int = 0
    status: int = 200
    body: bytes | None = None
    missing_bytes: int = 0
    asked: set[Named] = field(default_factory=set)

    def answer(self, path: str, question: Any) -> Any:
        if path.startswith("/v1/vulns/"):
            return self.records.get(path.rpartition("/")[2])
        assert path == "/v1/querybatch"
        assert len(question["queries"]) <= 1000
        results = [self.look_up(query) for query in question["queries"]]
        return {"results": results[: len(results) - self.lost_results]}

    def look_up(self, query: Any) -> Any:
        named = (query["package"]["ecosystem"], query["package"]["name"])
        self.asked.add((*named, query["version"]))
        known = self.knows_the_known and (*named, query["version"]) in KNOWN
        vulnerabilities = ["GHSA-0"] if known else self.vulnerable.get(named, [])
        page = int(query.get("page_token", 0))
        more = {"next_page_token": str(page + 1)} if page + 1 < len(vulnerabilities) else {}
        return {"vulns": [{"id": vulnerabilities[page]}], **more} if vulnerabilities else {}


@contextmanager
def served(database: Database) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.respond(json.loads(self.rfile.read(int(self.headers["content-length"]))))

        def do_GET(self) -> None:
            self.respond(None)

        def respond(self, question: Any) -> None:
            answer = database.answer(self.path, question)
            body = database.body or json.dumps(answer).encode()
            self.send_response(database.status if answer else 404)
            self.send_header("content-length", str(len(body) + database.missing_bytes))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def audit(url: str) -> subprocess.CompletedProcess[str]:
    return run([sys.executable, "-m", "image.audit"], url)


def run(command: list[str], url: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=ROOT,
        env=environment(ROOT, OSV_URL=url),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def of_locks(*names: str) -> set[Named]:
    """By another reading of the files than the audit's."""
    text = "".join((ROOT / "requirements" / name).read_text() for name in names)
    pins = [line.split()[0].split("==") for line in text.splitlines() if "==" in line[:60]]
    return {("PyPI", name.partition("[")[0], version) for name, version in pins}


def test_everything_that_is_locked_or_vendored_is_looked_up() -> None:
    database = Database()
    with served(database) as url:
        audited = audit(url)
    assert (audited.returncode, audited.stderr) == (CLEAN, "")
    packages = database.asked - set(KNOWN)
    assert packages >= of_locks("serve.txt", "train.txt")
    readme = ROOT / "eeg_letters" / "serving" / "web" / "swagger_ui" / "README.md"
    version = re.search(r"swagger-ui-dist@([\d.]+)", readme.read_text())
    assert version
    assert (*SWAGGER_UI, version[1]) in packages
    assert any(package[:2] == ("npm", "dompurify") for package in packages)
    said = f"audit: {len(packages)} packages looked up, 0 known vulnerabilities\n"
    assert audited.stdout == said


def test_a_finding_is_told_once_with_its_repair() -> None:
    database = Database({NUMPY: ["PYSEC-1", "GHSA-1"]}, {"GHSA-1": ADVISORY})
    with served(database) as url:
        audited = audit(url)
    assert audited.returncode == FINDING
    lines = [line for line in audited.stdout.splitlines() if line.startswith("numpy ")]
    versions = {version for *named, version in of_locks("serve.txt") if named == [*NUMPY]}
    assert {line.split()[1] for line in lines} == versions
    assert len(lines) == len(versions)
    assert all("GHSA-1: Reads what it should not; fixed in 99.1" in line for line in lines)


def test_vendored_javascript_is_a_finding_even_without_details() -> None:
    with served(Database({SWAGGER_UI: ["GHSA-2"]})) as url:
        audited = audit(url)
    assert audited.returncode == FINDING
    assert "swagger-ui-dist" in audited.stdout
    assert "GHSA-2" in audited.stdout


def test_what_was_withdrawn_is_no_finding() -> None:
    withdrawn = {"id": "GHSA-3", "withdrawn": "2026-01-01T00:00:00Z"}
    with served(Database({NUMPY: ["GHSA-3"]}, {"GHSA-3": withdrawn})) as url:
        assert audit(url).returncode == CLEAN


def test_a_service_that_cannot_be_reached_is_neither_clean_nor_a_finding() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # and does not listen
        audited = audit(f"http://127.0.0.1:{bound.getsockname()[1]}")
    assert (audited.returncode, audited.stderr) == (NOT_LOOKED_UP, "")
    assert "Connection refused" in audited.stdout


@pytest.mark.parametrize(
    ("database", "said"),
    [
        (Database(lost_results=1), "answers to"),
        (Database(knows_the_known=False), "it knows of no vulnerability of jinja2"),
        (Database(status=503), "503"),
        (Database(body=b"<html>Sign in to this network</html>"), "not JSON"),
        (Database(body=b"{}"), "has not the form"),
        (Database(body=b'{"results": 1}'), "has not the form"),
        (Database(missing_bytes=10), "ended too early"),
    ],
    ids=["fewer results", "knows nothing", "503", "a portal", "empty", "a number", "cut off"],
)
def test_half_an_answer_is_none(database: Database, said: str) -> None:
    with served(database) as url:
        audited = audit(url)
    assert (audited.returncode, audited.stderr) == (NOT_LOOKED_UP, "")
    assert said in audited.stdout


def test_pages_without_end_are_an_error() -> None:
    with served(Database({NUMPY: ["GHSA-3"] * 1000})) as url:
        audited = audit(url)
    assert audited.returncode == FINDING
    assert "no end of pages" in audited.stdout


def test_a_requirement_without_a_version_is_refused(tmp_path: Path) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text("numpy>=2\n")
    with pytest.raises(ValueError, match=r"line 1: numpy>=2 has no version"):
        list(locked([lock]))


def test_a_release_wants_everything_looked_up() -> None:
    command = make_command("release-check")
    with served(Database()) as url:
        assert run(command, url).returncode == 0
    with served(Database(lost_results=1)) as url:
        assert run(command, url).returncode != 0
    with served(Database()) as url:
        checked = run([*command, "VERSION=9.9.9"], url)
    assert checked.returncode != 0
    assert "CHANGELOG.md has no section of version 9.9.9" in checked.stderr
