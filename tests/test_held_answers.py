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
    if "tensors" in expected:
        assert_tensors_alike(json.loads(found["text"]), found["tensors"], expected["tensors"])


def assert_tensors_alike(answer: dict[str, Any], found: str, expected: str) -> None:
    """The same bytes, but for the last digits of floating-point numbers."""
    both = base64.b64decode(found), base64.b64decode(expected)
    start = 0
    for output in answer["outputs"]:
        end = start + output["parameters"]["binary_data_size"]
        one, other = (tensors[start:end] for tensors in both)
        if output["datatype"] == "FP64":
            np.testing.assert_allclose(
                np.frombuffer(one, "<f8"), np.frombuffer(other, "<f8"), rtol=1e-9
            )
        else:
            assert one == other
        start = end
    assert start == len(both[0]) == len(both[1])


def test_every_answer_is_held(now: tuple[str, dict[str, Answer]]) -> None:
    assert now[1].keys() == HELD["answers"].keys()
