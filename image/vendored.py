"""The JavaScript of others that is in the repository, by the names that npm has for it.

Imports nothing of this project: `image.sbom` also runs it inside the image.
"""

from __future__ import annotations

import re
from pathlib import Path

_PACKAGE = re.compile(r"npm\s+package\s+`([a-z0-9.-]+)`\s+(\d+\.\d+\.\d+)")
# Of the works that bundlers put into one script, a licence tells the version of some.
_BUNDLED = re.compile(r"@license (\w+) (\d+\.\d+\.\d+)")


def vendored(folder: Path) -> list[tuple[str, str]]:
    """What the READMEs beside vendored files, and the licences of bundles, say is there.

    Parameters
    ----------
    folder : Path
        Where to look, at any depth.

    Returns
    -------
    list of tuple of str
        Name and version of each npm package.
    """
    packages: set[tuple[str, str]] = set()
    for readme in folder.rglob("README.md"):
        packages.update(_PACKAGE.findall(readme.read_text("utf-8")))
    for licence in folder.rglob("*.LICENSE.txt"):
        for name, version in _BUNDLED.findall(licence.read_text("utf-8")):
            packages.add((name.lower(), version))
    return sorted(packages)
