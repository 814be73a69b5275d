"""The list of packages that `make image` writes."""

from __future__ import annotations

import json

from eeg_letters import __version__
from image.vendored import vendored
from tests.conftest import ROOT


def test_it_names_python_debian_and_vendored_javascript() -> None:
    document = json.loads((ROOT / "dist" / f"eeg-letters-{__version__}.cdx.json").read_text())
    purls = {component["purl"] for component in document["components"]}
    kinds = {purl.partition("/")[0] for purl in purls}
    assert kinds == {"pkg:pypi", "pkg:deb", "pkg:npm"}
    javascript = {f"pkg:npm/{name}@{version}" for name, version in vendored(ROOT / "eeg_letters")}
    assert any(purl.startswith("pkg:npm/swagger-ui-dist@") for purl in javascript)
    assert javascript <= purls
