"""What the tests of the page share: how its views are opened and filled."""

from __future__ import annotations

from urllib.parse import urlsplit

from playwright.sync_api import Page, expect

from eeg_letters.models import MODELS
from tests.shipped import COLUMNS

LINE = 232
TITLES = [model.title for model in MODELS]


def open_line(page: Page, line: int | None = LINE) -> None:
    page.goto("/" if line is None else f"/?line={line}")
    expect_line(page, LINE if line is None else line)


def expect_line(page: Page, line: int) -> None:
    """The line is the one shown, whole."""
    expect(page.locator("#said")).to_contain_text(f"Line {line}.")
    expect(page.locator("#line")).to_have_value(str(line))


def address(page: Page) -> str:
    parts = urlsplit(page.url)
    return f"{parts.path}?{parts.query}"


def as_csv(
    rows: list[dict[str, str]], header: bool = True, columns: tuple[str, ...] = COLUMNS
) -> str:
    lines = [",".join(row[name] for name in columns) for row in rows]
    return "\n".join([*([", ".join(columns)] if header else []), *lines]) + "\n"


def predict(page: Page, text: str) -> None:
    page.goto("/?view=rows")
    page.fill("#text", text)
    page.click("#own >> text=Predict")
