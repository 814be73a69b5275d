"""Look up what is locked and vendored among known vulnerabilities: ``python -m image.audit``.

Asks OSV (https://osv.dev), or the service at ``OSV_URL`` that speaks its API, by name and version.
The status is 0 if everything was looked up and is clean, 1 if there is a finding, and 3 if nothing
was found, but not everything could be looked up.
"""

from __future__ import annotations

import json
import os
import re
import sys
import urllib.request
from collections.abc import Iterable, Iterator
from http.client import HTTPException
from pathlib import Path
from typing import Any, NamedTuple

from image.vendored import vendored

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ("serve.txt", "train.txt")
SERVICE = "https://api.osv.dev"
CLEAN, FINDING, NOT_LOOKED_UP = 0, 1, 3

_PINNED = re.compile(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^\s;]+)")
_TIMEOUT_SECONDS = 30
_MAX_QUERIES = 1000  # OSV's limit for one request.
_MAX_REQUESTS = 50


class Package(NamedTuple):
    """A released package, as OSV names it."""

    ecosystem: str
    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name} {self.version} ({self.ecosystem})"


# Long known to be vulnerable. A service that knows nothing of these has not looked.
KNOWN = (Package("PyPI", "jinja2", "2.4.1"), Package("npm", "lodash", "4.17.15"))


class NotLookedUp(Exception):
    """The service did not answer as OSV does; the message says how it failed."""


def main() -> int:
    """Print findings, and what could not be looked up.

    Returns
    -------
    int
        The status.
    """
    service = os.environ.get("OSV_URL", SERVICE).rstrip("/")
    packages = sorted({*locked(ROOT / "requirements" / lock for lock in LOCKS), *in_repository()})
    found: dict[Package, list[str]] = {}
    failure = None
    try:
        for package, identifiers in look_up(service, [*KNOWN, *packages]):
            found.setdefault(package, []).extend(identifiers)
        for package in KNOWN:
            if not found.pop(package, []):
                raise NotLookedUp(f"it knows of no vulnerability of {package}, which has some")
    except NotLookedUp as error:
        failure = error
    findings = [
        line for package in packages for line in describe(service, package, found.get(package, []))
    ]
    print(*findings, sep="\n", end="\n" if findings else "")
    if failure:
        print(f"audit: could not look up all of {len(packages)} packages at {service}: {failure}")
        return FINDING if findings else NOT_LOOKED_UP
    print(f"audit: {len(packages)} packages looked up, {len(findings)} known vulnerabilities")
    return FINDING if findings else CLEAN


def locked(locks: Iterable[Path]) -> Iterator[Package]:
    """Packages of lock files, for all platforms.

    Raises
    ------
    ValueError
        When a requirement has no version: it would not be looked up.
    """
    for lock in locks:
        for number, line in enumerate(lock.read_text("utf-8").splitlines(), 1):
            if not line or line.startswith(("#", " ")):
                continue
            pinned = _PINNED.match(line)
            if not pinned:
                raise ValueError(f"{lock}, line {number}: {line} has no version")
            yield Package("PyPI", pinned[1], pinned[2])


def in_repository() -> list[Package]:
    """The vendored JavaScript."""
    return [Package("npm", *package) for package in vendored(ROOT / "eeg_letters")]


def look_up(service: str, packages: Iterable[Package]) -> Iterator[tuple[Package, list[str]]]:
    """Ask for the known vulnerabilities of packages.

    Parameters
    ----------
    service : str
        Base URL.
    packages : iterable of Package

    Yields
    ------
    tuple of Package and list of str
        A package, and identifiers of its vulnerabilities. A package with many comes more than once.

    Raises
    ------
    NotLookedUp
        When there is an answer to some packages only, or to none.
    """
    pending: list[tuple[Package, dict[str, str]]] = [(package, {}) for package in packages]
    for _ in range(_MAX_REQUESTS):
        if not pending:
            return
        batch, pending = pending[:_MAX_QUERIES], pending[_MAX_QUERIES:]
        queries = [
            {"package": {"ecosystem": of.ecosystem, "name": of.name}, "version": of.version} | page
            for of, page in batch
        ]
        answer = ask(f"{service}/v1/querybatch", {"queries": queries})
        try:
            results = answer["results"]
            if len(results) != len(batch):
                raise NotLookedUp(f"{len(results)} answers to {len(batch)} questions")
            for (package, _), result in zip(batch, results, strict=True):
                yield package, [vulnerability["id"] for vulnerability in result.get("vulns", [])]
                if token := result.get("next_page_token"):
                    pending.append((package, {"page_token": token}))
        except (AttributeError, KeyError, TypeError):
            raise NotLookedUp("the answer has not the form of OSV's") from None
    raise NotLookedUp(f"there was no end of pages after {_MAX_REQUESTS} requests")


def describe(service: str, package: Package, identifiers: Iterable[str]) -> Iterator[str]:
    """A line on each vulnerability that has not been withdrawn, by one of its names."""
    told: set[str] = set()
    for identifier in sorted(identifiers):
        if identifier in told:
            continue
        try:
            record = ask(f"{service}/v1/vulns/{identifier}")
            if record.get("withdrawn"):
                continue
            told.update(record.get("aliases", []))
            fixed = {
                event["fixed"]
                for affected in record.get("affected", [])
                if affected["package"]["name"] == package.name
                for span in affected.get("ranges", [])
                if span["type"] != "GIT"
                for event in span["events"]
                if "fixed" in event
            }
            summary = record.get("summary", "no summary")
        except (AttributeError, KeyError, NotLookedUp, TypeError):
            fixed, summary = set(), "there are no details"
        repair = f"fixed in {', '.join(sorted(fixed))}" if fixed else "no fixed version"
        yield f"{package}: {identifier}: {summary}; {repair}"


def ask(url: str, document: Any = None) -> Any:
    """Send a JSON document, or nothing, and read the one that is answered.

    Raises
    ------
    NotLookedUp
        When there is no answer, another status than 200, or something that is not JSON.
    """
    body = None if document is None else json.dumps(document).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as response:
            return json.loads(response.read())
    except HTTPException as error:
        raise NotLookedUp(f"the answer ended too early ({error!r})") from error
    except ValueError as error:
        raise NotLookedUp("the answer is not JSON") from error
    except OSError as error:
        raise NotLookedUp(str(error)) from error


if __name__ == "__main__":
    sys.exit(main())
