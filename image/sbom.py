"""Write what an image is made of as CycloneDX: ``python -m image.sbom ENGINE IMAGE FILE``."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from pathlib import Path

from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

from image import vendored

# Runs in the image, where nothing but Python and dpkg can be counted on.
LISTING = (
    inspect.getsource(vendored)
    + """
import importlib.metadata, json, subprocess
python = sorted({(d.name, d.version) for d in importlib.metadata.distributions()})
dpkg = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${Version}\\n"],
                      capture_output=True, text=True).stdout
print(json.dumps({"pypi": python, "deb": [line.split() for line in dpkg.splitlines()],
                  "npm": vendored(Path("/opt/bento/src"))}))
"""
)


def main(engine: str, image: str, file: str) -> None:
    """List the Python and Debian packages of an image, and the JavaScript in it."""
    listed = subprocess.run(
        [engine, "run", "--rm", "--entrypoint=python3", image, "-c", LISTING],
        capture_output=True,
        text=True,
        check=True,
    )
    packages = json.loads(listed.stdout)
    name, _, version = image.rpartition("/")[2].partition(":")
    bom = Bom(
        components=[
            component(kind, package, release)
            for kind, entries in packages.items()
            for package, release in entries
        ]
    )
    bom.metadata.component = Component(name=name, version=version, type=ComponentType.CONTAINER)
    target = Path(file)
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f".{target.name}")
    aside.write_text(make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string())
    aside.replace(target)
    counts = ", ".join(f"{len(entries)} {kind}" for kind, entries in packages.items())
    print(f"{target}: {counts} packages")


def component(kind: str, name: str, version: str) -> Component:
    """One package."""
    namespace = "debian" if kind == "deb" else None
    purl = PackageURL(kind, namespace, name, version)
    return Component(
        name=name, version=version, type=ComponentType.LIBRARY, purl=purl, bom_ref=str(purl)
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
