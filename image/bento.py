"""Build the Bento from the files that git tracks: ``python -m image.bento VERSION [RECORDING]``.

A person's keys, notes and trials may lie below the package; what is copied is what is committed or
added, with the content of the working tree.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parent.parent
# What bentofile.yaml names.
PARTS = (
    "bentofile.yaml",
    "README.md",
    "service.py",
    "eeg_letters",
    "data/test.json",
    "image/Dockerfile.j2",
    "requirements/serve.txt",
)


def main(version: str, recording: str = "") -> None:
    """Build the Bento ``eeg-letters:VERSION``, with a recording of one's own if one is named."""
    with TemporaryDirectory() as folder:
        for name in tracked():
            copy(ROOT / name, Path(folder, name))
        if recording:
            copy(Path(recording), Path(folder, "data", "packed", Path(recording).name))
        subprocess.run(
            [sys.executable, "-m", "bentoml", "build", "--version", version],
            cwd=folder,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            check=True,
        )


def tracked() -> list[str]:
    """Names of the files that git tracks and that are there, below the project's folder."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--", *PARTS],  # noqa: S607 – wherever git is
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    names = [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]
    if not names:
        sys.exit("A Bento is built from the files that git tracks, and here it tracks none.")
    return names


def copy(source: Path, target: Path) -> None:
    """Copy a file into a folder that need not be there."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)
