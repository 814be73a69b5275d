"""What the documents tell a reader to put into an overlay, or to run, does what they say."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from . import rendered
from .rendered import COMPONENTS, K8S, ROOT
from .test_objects import assert_restricted

DOCUMENTS = [ROOT / "docs" / "kubernetes.md", *sorted(K8S.glob("components/*/README.md"))]


def snippets() -> list[tuple[str, str, str]]:
    """Each snippet of a kustomization.yaml: its document, the component it is for, and itself."""
    return [
        (
            document.relative_to(ROOT).as_posix(),
            document.parent.name if document.parent.name in COMPONENTS else "",
            text,
        )
        for document in DOCUMENTS
        for text in re.findall(r"```yaml\n(.*?)```", document.read_text(), re.DOTALL)
    ]


@pytest.mark.parametrize(("document", "component", "text"), snippets())
def test_a_snippet_of_an_overlay_changes_what_is_built(
    tmp_path: Path, document: str, component: str, text: str
) -> None:
    overlay = yaml.safe_load(text)
    assert set(overlay) <= {
        "resources", "namespace", "nameSuffix", "labels", "components", "patches",
        "configMapGenerator",
    }, document  # fmt: skip
    plain: dict[str, object] = {"resources": ["../../base"]}
    if component:
        plain["components"] = [f"../../components/{component}"]
    built = rendered.overlay(tmp_path, yaml.safe_dump({**plain, **overlay}))
    assert built != rendered.overlay(tmp_path, yaml.safe_dump(plain))


def test_openshifts_loader_asks_for_no_ids() -> None:
    readme = (K8S / "components" / "openshift" / "README.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"^(grep .*) \| kubectl apply -f -$", readme, re.MULTILINE)
    printed = subprocess.run(
        ["sh", "-c", command], cwd=K8S, capture_output=True, text=True, check=True, timeout=60
    ).stdout
    pod = yaml.safe_load(printed)
    assert_restricted(pod["spec"])
    assert set(pod["spec"]["securityContext"]) == {"runAsNonRoot", "seccompProfile"}
