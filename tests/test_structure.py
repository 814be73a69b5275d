"""The package stays readable: short modules, rooms that say what they are, documents that hold."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.conftest import ROOT

MODULES = sorted((ROOT / "eeg_letters").rglob("*.py"))
ROOMS = [module for module in MODULES if module.name == "__init__.py"]


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("module", MODULES, ids=name)
def test_a_module_is_at_most_450_lines_long(module: Path) -> None:
    assert len(module.read_text().splitlines()) <= 450


@pytest.mark.parametrize("room", ROOMS, ids=name)
def test_a_room_says_in_one_sentence_what_lives_there(room: Path) -> None:
    docstring = ast.get_docstring(ast.parse(room.read_text()))
    assert docstring is not None
    assert re.fullmatch(r"[A-Z][^.]*\.", docstring)


def test_the_readme_is_at_most_200_lines_long() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 200


@pytest.mark.parametrize(
    "document", ["README.md", "CONTRIBUTING.md", *map(name, (ROOT / "docs").rglob("*.md"))]
)
def test_paths_that_a_document_names_are_there(document: str) -> None:
    text = (ROOT / document).read_text()
    named = re.findall(r"`((?:eeg_letters|tests|data|k8s|image|docs)/[\w./-]+\.\w+)`", text)
    linked = re.findall(r"\]\((?!https?:|#)([^)#]+)", text)
    folder = (ROOT / document).parent
    missing = [path for path in named if not (ROOT / path).exists()]
    assert missing + [path for path in linked if not (folder / path).exists()] == []
