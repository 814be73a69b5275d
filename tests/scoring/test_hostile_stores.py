"""Stores that somebody rewrote: each is refused, before it is used, with one sentence."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from eeg_letters.errors import StoreError
from eeg_letters.models import LDA, MLP
from eeg_letters.scoring.scorer import Scorer
from eeg_letters.scoring.store import (
    DESCRIPTION_FILE,
    FAMILIARITY_FILE,
    PIPELINE_FILE,
    SCORER_FILE,
    load_model,
)
from tests.conftest import ROOT, environment, flip_a_bit, latest_entry
from tests.serving.test_starting import failing_start

MEGABYTE = 1 << 20


@pytest.fixture
def home(trained_home: Path, tmp_path: Path) -> Path:
    """A copy of the trained store, to be rewritten."""
    return Path(shutil.copytree(trained_home / "models", tmp_path / "home" / "models").parent)


def forge(entry: Path, edit: Callable[[dict[str, Any]], object] = dict) -> Path:
    """Make an entry fit what is in it: its checksums, its version, its folder's name."""
    document = yaml.safe_load((entry / DESCRIPTION_FILE).read_text())
    metadata = document["metadata"]
    for name in metadata["files"]:
        with suppress(OSError):
            metadata["files"][name] = hashlib.sha256((entry / name).read_bytes()).hexdigest()
    edit(metadata)
    content = json.dumps(metadata, sort_keys=True).encode()
    document["version"] = hashlib.sha256(content).hexdigest()[:16]
    (entry / DESCRIPTION_FILE).write_text(yaml.safe_dump(document, sort_keys=False))
    (entry.parent / "latest").write_text(document["version"])
    return entry.rename(entry.with_name(document["version"]))


def forge_scorer(entry: Path, **changes: Any) -> Path:
    """Put another scorer, made of the entry's own, into it."""
    scorer = Scorer.load((entry / SCORER_FILE).read_bytes())
    with (entry / SCORER_FILE).open("wb") as file:
        replace(scorer, **changes).save(file)
    return forge(entry)


def arrays_of(entry: Path) -> dict[str, Any]:
    with np.load(entry / SCORER_FILE) as arrays:
        return dict(arrays)


def forge_arrays(entry: Path, **changes: Any) -> Path:
    np.savez(entry / SCORER_FILE, **{**arrays_of(entry), **changes})
    return forge(entry)


def forge_familiarity(**changes: Any) -> Callable[[Path], Path]:
    """Put other arrays into what tells unfamiliar rows; a change may be a number to fill with."""

    def damage(entry: Path) -> Path:
        with np.load(entry / FAMILIARITY_FILE) as file:
            arrays = dict(file)
        for name, change in changes.items():
            if change is None:
                del arrays[name]
                continue
            filling = isinstance(change, float) and arrays[name].ndim
            arrays[name] = np.full_like(arrays[name], change) if filling else change
        np.savez(entry / FAMILIARITY_FILE, allow_pickle=True, **arrays)
        return forge(entry)

    return damage


def without_familiarity(entry: Path) -> Path:
    """As of a training that could not tell which rows are unfamiliar."""
    (entry / FAMILIARITY_FILE).unlink()
    return forge(entry, lambda metadata: metadata["files"].pop(FAMILIARITY_FILE))


def filled(entry: Path, name: str, value: float) -> np.ndarray:
    array = arrays_of(entry)[name].copy()
    array.flat[7] = value
    return array


def bomb(entry: Path) -> None:
    """400 MB of zeros in 400 kB."""
    header = io.BytesIO()
    shape = {"descr": "<f8", "fortran_order": False, "shape": (160, 320_000)}
    np.lib.format.write_array_header_1_0(header, shape)
    saved = arrays_of_saved(entry)
    with zipfile.ZipFile(entry / SCORER_FILE, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in saved.items():
            archive.writestr(f"{name}.npy", content)
        with archive.open("weight_0.npy", "w", force_zip64=True) as member:
            member.write(header.getvalue())
            for _ in range(160):
                member.write(bytes(320_000 * 8))
    assert (entry / SCORER_FILE).stat().st_size < MEGABYTE
    forge(entry)


def arrays_of_saved(entry: Path) -> dict[str, bytes]:
    saved = {}
    for name, array in arrays_of(entry).items():
        if name != "weight_0":
            buffer = io.BytesIO()
            np.save(buffer, array)
            saved[name] = buffer.getvalue()
    return saved


def without_memory(entry: Path) -> None:
    """An array that says to be of 80 GB, in an archive that is not compressed."""
    header = io.BytesIO()
    shape = {"descr": "<f8", "fortran_order": False, "shape": (100_000, 100_000)}
    np.lib.format.write_array_header_1_0(header, shape)
    saved = {**arrays_of_saved(entry), "weight_0": header.getvalue()}
    with zipfile.ZipFile(entry / SCORER_FILE, "w") as archive:
        for name, content in saved.items():
            archive.writestr(f"{name}.npy", content)
    forge(entry)


def large(name: str) -> Callable[[Path], None]:
    """A sparse file: 100 GB that take no space."""

    def damage(entry: Path) -> None:
        forge(entry)
        with (entry / name).open("r+b") as file:
            file.truncate(100 << 30)

    return damage


def link(name: str) -> Callable[[Path], None]:
    def damage(entry: Path) -> None:
        shutil.move(entry / name, entry.parent / "elsewhere")
        (entry / name).symlink_to(entry.parent / "elsewhere")

    return damage


def pipe(name: str) -> Callable[[Path], None]:
    def damage(entry: Path) -> None:
        (entry / name).unlink()
        os.mkfifo(entry / name)

    return damage


def pipe_for_the_pointer(entry: Path) -> None:
    pipe("latest")(entry.parent)


def device(entry: Path) -> None:
    (entry / SCORER_FILE).unlink()
    try:
        os.mknod(entry / SCORER_FILE, 0o20666, os.makedev(1, 5))  # /dev/zero
    except PermissionError:
        pytest.skip("only root may make a device")


def folder(entry: Path) -> None:
    (entry / SCORER_FILE).unlink()
    (entry / SCORER_FILE).mkdir()


def listener(entry: Path) -> None:
    (entry / SCORER_FILE).unlink()
    with socket.socket(socket.AF_UNIX) as server:
        previous = Path.cwd()
        os.chdir(entry)  # The path of a socket has 107 bytes at most.
        try:
            server.bind(SCORER_FILE)
        finally:
            os.chdir(previous)


def aliases(entry: Path) -> None:
    """A description of 1 kB that stands for 10 to the power of 9 names."""
    levels = ["x0: &x0 [a]"]
    levels += [f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 10)}]" for n in range(1, 10)]
    text = (entry / DESCRIPTION_FILE).read_text()
    bombed = "metadata:\n" + "".join(f"  {level}\n" for level in levels)
    (entry / DESCRIPTION_FILE).write_text(text.replace("metadata:\n", bombed))


def edit_schema(**changes: Any) -> Callable[[Path], object]:
    def damage(entry: Path) -> object:
        def edit(metadata: dict[str, Any]) -> None:
            metadata["schema"] = json.dumps({**json.loads(metadata["schema"]), **changes})

        return forge(entry, edit)

    return damage


def edit_description(**changes: Any) -> Callable[[Path], None]:
    def damage(entry: Path) -> None:
        document = yaml.safe_load((entry / DESCRIPTION_FILE).read_text())
        document.update(changes)
        (entry / DESCRIPTION_FILE).write_text(yaml.safe_dump(document))

    return damage


def edit_a_score(entry: Path) -> None:
    text = (entry / DESCRIPTION_FILE).read_text()
    (entry / DESCRIPTION_FILE).write_text(text.replace("temperature: ", "temperature: 1"))


def replace_file(name: str, content: bytes) -> Callable[[Path], Path]:
    def damage(entry: Path) -> Path:
        (entry / name).write_bytes(content)
        return forge(entry)

    return damage


def pickled(entry: Path) -> None:
    trap = np.array([[{}]], dtype=object)
    np.savez(entry / SCORER_FILE, allow_pickle=True, **{**arrays_of(entry), "weight_0": trap})
    forge(entry)


NAMES = [f"Cz/{n}" for n in range(160)]
# What was done to the perceptron's entry, and what the sentence says of it.
SERVED_BEFORE: dict[str, tuple[Callable[[Path], object], list[str]]] = {
    "weights NaN": (
        lambda entry: forge_arrays(entry, weight_0=filled(entry, "weight_0", np.nan)),
        [SCORER_FILE, "weight_0", "no finite number"],
    ),
    "other classes": (
        lambda entry: forge_scorer(entry, classes=np.arange(1, 27)),
        [SCORER_FILE, "class 26, but there are 26"],
    ),
    "zip bomb": (bomb, [SCORER_FILE, "compressed"]),
    "scorer a link": (link(SCORER_FILE), [SCORER_FILE, "a symbolic link"]),
    "scorer a pipe": (pipe(SCORER_FILE), [SCORER_FILE, "only a regular file is read"]),
    "familiarity NaN": (
        forge_familiarity(whitening=np.nan),
        [FAMILIARITY_FILE, "whitening", "no finite number"],
    ),
    "familiarity a pipe": (pipe(FAMILIARITY_FILE), [FAMILIARITY_FILE, "only a regular file"]),
    "changed metadata": (edit_a_score, [DESCRIPTION_FILE, "digest", "is not the version"]),
}
OTHERS: dict[str, tuple[Callable[[Path], object], list[str]]] = {
    "changed bytes": (lambda entry: flip_a_bit(entry / SCORER_FILE), [SCORER_FILE, "checksum"]),
    "bias infinite": (
        lambda entry: forge_arrays(entry, bias_1=filled(entry, "bias_1", np.inf)),
        ["bias_1", "no finite number"],
    ),
    "weights too large": (
        lambda entry: forge_arrays(entry, weight_0=filled(entry, "weight_0", 1e300)),
        ["so large that scores are no longer finite"],
    ),
    "single precision": (
        lambda entry: forge_arrays(entry, weight_1=arrays_of(entry)["weight_1"].astype(np.float32)),
        ["weight_1", "float32", "not a matrix of float64"],
    ),
    "classes in disorder": (
        lambda entry: forge_scorer(entry, classes=np.arange(26)[::-1].copy()),
        ["classes are not"],
    ),
    "a class twice": (
        lambda entry: forge_scorer(entry, classes=np.arange(26) // 2),
        ["classes are not"],
    ),
    "a negative class": (
        lambda entry: forge_scorer(entry, classes=np.arange(-1, 25)),
        ["classes are not"],
    ),
    "classes numbers": (
        lambda entry: forge_scorer(entry, classes=np.arange(26.0)),
        ["classes is float64"],
    ),
    "fewer classes": (
        lambda entry: forge_scorer(entry, classes=np.arange(25)),
        ["weight_1", "(500, 26)", "(500, 25)"],
    ),
    "fewer features": (
        lambda entry: forge_arrays(entry, weight_0=arrays_of(entry)["weight_0"][1:]),
        ["weight_0", "(159, 500)", "(160, 500)"],
    ),
    "a layer missing": (
        lambda entry: forge_arrays(entry, weight_2=np.eye(26)),
        ["it has the arrays", "weight_2"],
    ),
    "another preprocessing": (
        lambda entry: forge_scorer(entry, preprocessing="zscore"),
        ["there is no preprocessing 'zscore'"],
    ),
    "more memory than there is": (without_memory, ["weight_0", "(100000, 100000)"]),
    "a large file": (large(SCORER_FILE), [SCORER_FILE, "bytes"]),
    "pipeline a link": (link(PIPELINE_FILE), [PIPELINE_FILE, "a symbolic link"]),
    "pipeline a pipe": (pipe(PIPELINE_FILE), [PIPELINE_FILE, "only a regular file is read"]),
    "description a link": (link(DESCRIPTION_FILE), [DESCRIPTION_FILE, "a symbolic link"]),
    "description a pipe": (pipe(DESCRIPTION_FILE), [DESCRIPTION_FILE, "only a regular file"]),
    "pointer a pipe": (pipe_for_the_pointer, ["only a regular file is read"]),
    "scorer a device": (device, [SCORER_FILE, "only a regular file is read"]),
    "scorer a socket": (listener, [SCORER_FILE, "only a regular file is read"]),
    "scorer a folder": (folder, [SCORER_FILE, "only a regular file is read"]),
    "no archive": (replace_file(SCORER_FILE, b"PK\x03\x04 cut"), [SCORER_FILE, "zip file"]),
    "empty": (replace_file(SCORER_FILE, b""), [SCORER_FILE, "zip file"]),
    "a pickle": (pickled, ["weight_0", "pickle"]),
    "familiarity changed": (
        lambda entry: flip_a_bit(entry / FAMILIARITY_FILE),
        [FAMILIARITY_FILE, "checksum"],
    ),
    "familiarity missing": (
        lambda entry: (entry / FAMILIARITY_FILE).unlink(),
        [FAMILIARITY_FILE, "No such file"],
    ),
    "familiarity a link": (link(FAMILIARITY_FILE), [FAMILIARITY_FILE, "a symbolic link"]),
    "familiarity large": (large(FAMILIARITY_FILE), [FAMILIARITY_FILE, "bytes"]),
    "familiarity no archive": (replace_file(FAMILIARITY_FILE, b"{}"), [FAMILIARITY_FILE, "zip"]),
    "familiarity empty": (replace_file(FAMILIARITY_FILE, b""), [FAMILIARITY_FILE, "zip"]),
    "familiarity a pickle": (
        forge_familiarity(centres=np.array([[{}]], dtype=object)),
        [FAMILIARITY_FILE, "centres", "pickle"],
    ),
    "familiarity of other features": (
        forge_familiarity(whitening=np.eye(159)),
        [FAMILIARITY_FILE, "(159, 159)", "160 features"],
    ),
    "familiarity of no class": (
        forge_familiarity(centres=np.empty((0, 160))),
        [FAMILIARITY_FILE, "centres"],
    ),
    "familiarity of single precision": (
        forge_familiarity(shift=np.zeros(160, np.float32)),
        [FAMILIARITY_FILE, "shift", "float32"],
    ),
    "familiarity huge": (
        forge_familiarity(centres=1e200),
        [FAMILIARITY_FILE, "no longer finite"],
    ),
    "familiarity infinite": (
        forge_familiarity(limit=np.array(np.inf)),
        [FAMILIARITY_FILE, "limit", "no finite number"],
    ),
    "familiarity with a negative limit": (
        forge_familiarity(limit=np.array(-1.0)),
        [FAMILIARITY_FILE, "limit is -1.0"],
    ),
    "familiarity without a limit": (
        forge_familiarity(limit=None),
        [FAMILIARITY_FILE, "it has the arrays"],
    ),
    "familiarity by another preprocessing": (
        forge_familiarity(preprocessing=np.array("l2")),
        [FAMILIARITY_FILE, "preprocessing is 'l2'"],
    ),
    "familiarity by no factor": (
        forge_familiarity(factor=np.array(0.0)),
        [FAMILIARITY_FILE, "factor is 0.0"],
    ),
    "scorer by no factor": (
        lambda entry: forge_scorer(entry, factor=1e200),
        [SCORER_FILE, "factor is 1e+200"],
    ),
    "aliases": (aliases, [DESCRIPTION_FILE, "aliases"]),
    "another model's name": (edit_description(name=LDA.name), ["it is of another model"]),
    "another version": (edit_description(version="0" * 16), ["it is of another model"]),
    "features twice": (edit_schema(features=["Cz/theta"] * 160), ["schema", "features"]),
    "features numbers": (edit_schema(features=list(range(160))), ["schema", "no text"]),
    "no feature": (edit_schema(features=[], electrodes=[], bands=[]), ["schema", "features"]),
    "no powers": (
        edit_schema(features=NAMES, electrodes=[None] * 160, bands=[None] * 160),
        ["log1p", "no band powers"],
    ),
    "half powers": (
        edit_schema(bands=["theta", *[None] * 159]),
        ["schema", "band powers"],
    ),
    "letters in disorder": (edit_schema(classes=list(range(26))[::-1]), ["schema", "A to Z"]),
    "texts in disorder": (
        edit_schema(labels="text", classes=[str(n) for n in range(26)]),
        ["schema", "in order"],
    ),
    "classes true": (edit_schema(labels="numbers", classes=[True] * 26), ["schema", "whole"]),
    "one class": (edit_schema(labels="text", classes=["a"]), ["class 25, but there are 1"]),
    "too many classes": (
        edit_schema(labels="numbers", classes=list(range(1001))),
        ["schema", "1001 classes"],
    ),
    "schema not JSON": (
        lambda entry: forge(entry, lambda metadata: metadata.update(schema="[" * 100_000)),
        ["schema"],
    ),
}


@pytest.mark.parametrize("name", SERVED_BEFORE)
def test_the_service_does_not_start(home: Path, name: str) -> None:
    damage, fragments = SERVED_BEFORE[name]
    damage(latest_entry(home, MLP))
    sentence = failing_start(home)
    for fragment in ["model eeg-mlp", *fragments, "make train"]:
        assert fragment in sentence


CHECK = """
import resource, sys
from eeg_letters.errors import StoreError
from eeg_letters.scoring.store import load_entry
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    said = load_entry(sys.argv[1]).description.tag
except StoreError as error:
    said = error
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
print(said)
"""


def load(home: Path, tag: str = MLP.name) -> tuple[int, str]:
    """How much memory it takes to load a model, and its tag or why it is refused."""
    finished = subprocess.run(
        [sys.executable, "-c", CHECK, tag],
        cwd=ROOT,
        env=environment(home),
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    grown, said = finished.stdout.splitlines()
    return int(grown), said


@pytest.mark.parametrize("name", [*SERVED_BEFORE, "more memory than there is", "a large file"])
def test_it_is_refused_in_little_time_and_memory(home: Path, name: str) -> None:
    damage, fragments = {**SERVED_BEFORE, **OTHERS}[name]
    damage(latest_entry(home, MLP))
    grown, sentence = load(home)
    for fragment in fragments:
        assert fragment in sentence
    assert grown < 30 * MEGABYTE


@pytest.fixture
def alarm() -> Iterator[None]:
    """An end for what waits for ever."""
    signal.alarm(20)
    yield
    signal.alarm(0)


@pytest.mark.usefixtures("alarm")
@pytest.mark.parametrize("name", OTHERS)
def test_it_is_refused_by_name(home: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    damage, fragments = OTHERS[name]
    damage(latest_entry(home, MLP))
    monkeypatch.setenv("BENTOML_HOME", str(home))
    with pytest.raises(StoreError) as refusal:
        load_model(MLP)
    sentence = str(refusal.value)
    assert len(sentence.splitlines()) == 1
    for fragment in ["model eeg-mlp", *fragments, "run `make train` (or `python train.py`)"]:
        assert fragment in sentence


def drop_the_pipeline(entry: Path) -> Path:
    (entry / PIPELINE_FILE).unlink()
    return entry


def drop_the_pointer(entry: Path) -> Path:
    (entry.parent / "latest").unlink()
    return entry


def lead_the_pointer_astray(entry: Path) -> Path:
    (entry.parent / "latest").write_text("0" * 16)
    return entry


@pytest.mark.parametrize(
    "change",
    [forge, without_familiarity, drop_the_pipeline, drop_the_pointer, lead_the_pointer_astray],
)
def test_what_serving_does_not_need_may_be_missing(
    home: Path, change: Callable[[Path], Path]
) -> None:
    entry = change(latest_entry(home, MLP))
    assert load(home)[1] == f"eeg-mlp:{entry.name}"


def test_a_version_is_found_by_its_first_digits_where_they_are_one_version_s(home: Path) -> None:
    entry = latest_entry(home, MLP)
    assert load(home, f"eeg-mlp:{entry.name[:4]}")[1] == f"eeg-mlp:{entry.name}"
    shutil.copytree(entry, entry.with_name(f"{entry.name[:4]}a"))
    assert "there are " in load(home, f"eeg-mlp:{entry.name[:4]}")[1]


def saved() -> bytes:
    scorer = Scorer(
        "l2", 1.0, np.arange(3), (np.ones((4, 2)), np.ones((2, 3))), (np.ones(2), np.ones(3))
    )
    file = io.BytesIO()
    scorer.save(file)
    return file.getvalue()


SAVED = saved()


@given(st.lists(st.tuples(st.integers(0, len(SAVED) - 1), st.integers(0, 255)), max_size=4))
def test_whatever_the_bytes_there_is_a_scorer_or_one_error(
    changes: list[tuple[int, int]],
) -> None:
    content = bytearray(SAVED)
    for place, value in changes:
        content[place] = value
    with suppress(ValueError):
        Scorer.load(bytes(content)).check(4, 3, are_powers=True)


@given(st.integers(0, len(SAVED)), st.binary(max_size=40))
def test_whatever_is_cut_off_there_is_a_scorer_or_one_error(length: int, rest: bytes) -> None:
    with suppress(ValueError):
        Scorer.load(SAVED[:length] + rest)
