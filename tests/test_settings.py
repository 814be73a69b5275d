"""The settings, as the README lists them."""

from __future__ import annotations

import re

import pytest

from eeg_letters.errors import UserError
from eeg_letters.settings import DATA, Settings, read_settings, variables
from tests.conftest import ROOT


def test_the_readme_lists_every_setting_with_its_default() -> None:
    listed = dict(
        re.findall(
            r"^\| `(EEG_\w+)` \| `?([^`|]+?)`? \|", (ROOT / "README.md").read_text(), re.MULTILINE
        )
    )
    assert set(listed) == set(variables())
    listed["EEG_TEST_DATA"] = str(DATA.parent / listed["EEG_TEST_DATA"])
    assert read_settings(listed) == Settings()


def test_an_empty_variable_counts_as_absent() -> None:
    assert read_settings(dict.fromkeys(variables(), "")) == Settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("EEG_MAX_BODY_BYTES", "8MiB"),
        ("EEG_MAX_ROWS", "0"),
        ("EEG_MAX_CONCURRENCY", "-1"),
        ("EEG_BODY_TIMEOUT_SECONDS", "1.5"),
        ("EEG_LOG_FORMAT", "xml"),
    ],
)
def test_a_value_that_cannot_be_understood_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(UserError, match=f"{name}={value}"):
        read_settings({name: value})
