"""Environments of their own for the peers, and the models that all of them serve."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.paths import BENTOML_HOME, CACHE, LOGS, PARTS, PROJECT_PYTHON, REFERENCE, ROOT
from benchmarks.servers import Peer

INSTALL_SECONDS = 900
# Training takes longest.
PROJECT_SECONDS = 600

# What shapes a figure besides the packages that a peer asks for by name.
_ALWAYS_SHOWN = set(
    "bentoml fastapi httptools numpy orjson pydantic scikit-learn starlette uvicorn uvloop".split()
)


class Unavailable(Exception):
    """A peer that cannot be measured; the message says why in a few words."""


def prepare_models() -> dict[str, Any]:
    """Train into a store of the benchmarks' own unless it has models; say what is right."""
    LOGS.mkdir(parents=True, exist_ok=True)
    if _project("-m", "eeg_letters.scoring.store", check=False) != 0:
        _project("train.py", "--reports", str(LOGS))
    _project("-m", "benchmarks.reference", str(REFERENCE))
    document: dict[str, Any] = json.loads(REFERENCE.read_text())
    return document


def measure_parts() -> dict[str, dict[str, float]]:
    """Microseconds that each part of a small request takes, by request and part."""
    _project("-m", "benchmarks.stages", str(PARTS))
    document: dict[str, dict[str, float]] = json.loads(PARTS.read_text())
    return document


def _project(*arguments: str, check: bool = True) -> int:
    environment = {
        "BENTOML_HOME": str(BENTOML_HOME),
        "BENTOML_DO_NOT_TRACK": "True",
        "PYTHONPATH": str(ROOT),
    }
    return subprocess.run(
        [str(PROJECT_PYTHON), *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        check=check,
        timeout=PROJECT_SECONDS,
        stderr=None if check else subprocess.DEVNULL,
    ).returncode


def install(peer: Peer, scikit_learn: str) -> None:
    """Install a peer unless what it asks for is there.

    Raises
    ------
    Unavailable
        When pip does not manage, or would install another scikit-learn than the pickles are for.
    """
    lock = peer.requirements.read_text()
    locked = re.search(r"^scikit-learn==(\S+)", lock, re.MULTILINE)
    if locked and locked[1] != scikit_learn:
        raise Unavailable(f"locked with scikit-learn {locked[1]}, not {scikit_learn}: make lock")
    wanted = lock + sys.version
    digest = hashlib.sha256(wanted.encode()).hexdigest()
    folder = python_of(peer).parents[1]
    stamp = folder / "installed"
    if stamp.exists() and stamp.read_text() == digest:
        return
    log = LOGS / f"{peer.name}-install.log"
    pip = [str(python_of(peer)), "-m", "pip", "install", "--require-hashes"]
    pip += ["--requirement", str(peer.requirements)]
    with log.open("wb") as output:
        try:
            for command in ([sys.executable, "-m", "venv", "--clear", str(folder)], pip):
                subprocess.run(
                    command,
                    check=True,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    timeout=INSTALL_SECONDS,
                )
        except subprocess.TimeoutExpired:
            raise Unavailable(f"not installed within {INSTALL_SECONDS} s") from None
        except subprocess.CalledProcessError:
            raise Unavailable(f"not installed: {_first_error(log)}") from None
    stamp.write_text(digest)


def versions(peer: Peer) -> dict[str, str]:
    """Version of Python and of the packages that matter to a peer."""
    pip = [str(python_of(peer)), "-m", "pip", "list", "--format", "json"]
    listed = subprocess.run(
        pip, check=True, capture_output=True, timeout=60, env=os.environ | {"PYTHONPATH": ""}
    )
    names = re.findall(r"^[\w-]+", peer.asked_for, re.MULTILINE)
    wanted = _ALWAYS_SHOWN.union(names)
    installed = {entry["name"].lower(): entry["version"] for entry in json.loads(listed.stdout)}
    return {name: installed[name] for name in sorted(installed) if name in wanted}


def python_of(peer: Peer) -> Path:
    """The peer's interpreter."""
    return CACHE / (peer.twin or peer.name) / "bin" / "python"


def _first_error(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()
    errors = [line for line in lines if line.startswith("ERROR")]
    return (errors or lines or ["no output"])[0].removeprefix("ERROR: ")[:100]
