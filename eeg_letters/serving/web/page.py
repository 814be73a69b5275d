"""The page at ``/``, joined from the files in the folder ``page``."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from importlib.resources import files

import numpy as np
import orjson

from eeg_letters.montage import flat_positions
from eeg_letters.schema import ELECTRODES
from eeg_letters.serving.asgi import Response

_LINKED = re.compile(
    r'<link rel="stylesheet" href="(?P<style>\w+\.css)">'
    r'|<script src="(?P<script>\w+\.js)"></script>'
)


def page() -> Response:
    """The page, with a Content-Security-Policy that allows only its own scripts and host."""
    text = _LINKED.sub(_joined, _read("index.html"))
    policy = (
        "default-src 'none'; connect-src 'self'; img-src data:;"
        f" script-src {_digests(text, 'script')}; style-src {_digests(text, 'style')};"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return Response(
        text.encode(),
        b"text/html; charset=utf-8",
        headers=((b"content-security-policy", policy.encode()),),
    )


def _read(name: str) -> str:
    return files("eeg_letters.serving.web").joinpath("page", name).read_text(encoding="utf-8")


def _joined(link: re.Match[str]) -> str:
    tag = link.lastgroup
    text = _read(link[tag or ""]).replace("{places}", _places())
    return f"<{tag}>{text}</{tag}>"


def _places() -> str:
    flat = flat_positions()
    right, front = (flat / np.linalg.norm(flat[ELECTRODES.index("T8")])).T.round(3)
    return orjson.dumps(
        {
            electrode: [x, y]
            for electrode, x, y in zip(ELECTRODES, right.tolist(), (-front).tolist(), strict=True)
        }
    ).decode()


def _digests(text: str, tag: str) -> str:
    contents = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
    return " ".join(
        f"'sha256-{b64encode(sha256(content.encode()).digest()).decode()}'" for content in contents
    )
