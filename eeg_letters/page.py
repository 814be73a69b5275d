"""The page at ``/``."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from importlib.resources import files

from eeg_letters.http import Response


def page() -> Response:
    """The page, with a policy that lets it run its own script and ask its own host alone."""
    text = files("eeg_letters").joinpath("page.html").read_text(encoding="utf-8")
    policy = (
        "default-src 'none'; connect-src 'self'; img-src data:;"
        f" script-src {_digest(text, 'script')}; style-src {_digest(text, 'style')};"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return Response(
        text.encode(),
        b"text/html; charset=utf-8",
        headers=((b"content-security-policy", policy.encode()),),
    )


def _digest(text: str, tag: str) -> str:
    (content,) = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
    return f"'sha256-{b64encode(sha256(content.encode()).digest()).decode()}'"
