"""Build the image from the Bento: ``python -m image.build ENGINE IMAGE VERSION [OPTION …]``.

Options are those of the engine's ``build``, without their dashes, such as ``no-cache``. The
environment's ``BASE_IMAGE`` takes the place of the base image that the Dockerfile names.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parent.parent
_URL = re.compile(r"(?P<scheme>https?|ssh|git)://(?:[^/]*@)?(?P<rest>[^?#]*).*", re.DOTALL)
_SCP = re.compile(r"[^/:]*@(?P<host>[^/:@]+):(?P<path>[^?#@:]*)")


def main(engine: str, image: str, version: str, *options: str) -> None:
    """Build the image of the Bento ``eeg-letters:VERSION``."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH") or git("log", "-1", "--format=%ct") or "0"
    arguments = {
        "VERSION": version,
        "REVISION": git("rev-parse", "HEAD"),
        "SOURCE": public_source(git("config", "--get", "remote.origin.url")),
        "SOURCE_DATE_EPOCH": epoch,
    }
    if base := os.environ.get("BASE_IMAGE"):
        arguments["BASE_IMAGE"] = base
    given = [f"build-arg={name}={value}" for name, value in arguments.items()]
    if engine == "podman":
        # Of the image, and of every file that a layer has.
        given.append(f"timestamp={epoch}")
    # BentoML reads a Dockerfile template only from below the working directory.
    with TemporaryDirectory() as folder:
        subprocess.run(
            [
                *(sys.executable, "-m", "bentoml", "containerize", f"eeg-letters:{version}"),
                *("--backend", engine, "--image-tag", image),
                *(part for option in (*given, *options) for part in ("--opt", option)),
            ],
            cwd=folder,
            env={**os.environ, "TMPDIR": folder},
            check=True,
        )


def public_source(remote: str) -> str:
    """Address of a repository without what is between its owner and git: user, password, token.

    Empty where the repository is no address, but a folder of some machine.
    """
    if match := _URL.fullmatch(remote):
        return f"{match['scheme']}://{match['rest']}"
    if match := _SCP.fullmatch(remote):
        return f"ssh://{match['host']}/{match['path']}"
    return ""


def git(*command: str) -> str:
    """What git says of this clone; empty where it says nothing."""
    told = subprocess.run(
        ["git", *command],  # noqa: S607 – wherever git is
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return told.stdout.strip()


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)
