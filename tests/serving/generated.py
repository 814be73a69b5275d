"""Requests that are made from the OpenAPI document, and against it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import httpx


def schemathesis(url: str, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Send a service many requests of each operation; the status is 0 where all is as described."""
    # No schema says which text is a table.
    document = httpx.get(f"{url}/docs.json").json()
    content = document["paths"]["/predict"]["post"]["requestBody"]["content"]
    for kind in [kind for kind in content if kind != "application/json"]:
        del content[kind]
    (folder / "docs.json").write_text(json.dumps(document))
    return subprocess.run(
        [
            Path(sys.executable).with_name("schemathesis"),
            f"--config-file={Path(__file__).with_name('schemathesis.toml')}",
            "run",
            "docs.json",
            f"--url={url}",
            "--checks=all",
            "--max-examples=25",
            "--seed=1",
            "--no-color",
            *options,
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
