"""Answers on the simulated recordings stay what they are, byte for byte."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import numpy as np
import pytest

from tests.held_answers import RECORDED, Answer, collect

HELD: dict[str, Any] = json.loads(RECORDED.read_text())
_FRACTION = re.compile(r"-?\d+\.\d+(?:[eE][-+]?\d+)?")


@pytest.fixture(scope="module")
def now(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Answer]]:
    return collect(tmp_path_factory.mktemp("held"))


@pytest.mark.parametrize("name", HELD["answers"])
def test_an_answer_is_what_it_was(name: str, now: tuple[str, dict[str, Answer]]) -> None:
    arithmetic, answers = now
    expected, found = HELD["answers"][name], answers[name]
    if arithmetic == HELD["arithmetic"]:
        assert found == expected
        return
    # Another processor: NumPy's products and exponentials differ there in the last digits.
    assert found.keys() == expected.keys()
    assert found.get("status") == expected.get("status")
    assert _FRACTION.sub("", found["text"]) == _FRACTION.sub("", expected["text"])
    now_numbers, then_numbers = (
        [float(text) for text in _FRACTION.findall(one["text"])] for one in (found, expected)
    )
    np.testing.assert_allclose(now_numbers, then_numbers, rtol=1e-9)
    assert len(base64.b64decode(found.get("tensors", ""))) == len(
        base64.b64decode(expected.get("tensors", ""))
    )


def test_every_answer_is_held(now: tuple[str, dict[str, Answer]]) -> None:
    assert now[1].keys() == HELD["answers"].keys()
