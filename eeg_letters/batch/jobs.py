"""Jobs: which inputs go into which outputs."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from eeg_letters.errors import UserError
from eeg_letters.recordings.sources import STDIN
from eeg_letters.recordings.writing import ENDINGS


@dataclass(frozen=True)
class Job:
    """An output and the inputs it is made of."""

    inputs: list[str]
    output: Path


def plan(source: str, target: str, shard: tuple[int, int]) -> list[Job]:
    """Which inputs go into which outputs, of one shard.

    Parameters
    ----------
    source : str
        A file, a pattern of files, or `STDIN`.
    target : str
        A file, or with ``*`` in its name a file for each input, whose name without its ending takes
        the star's place.
    shard : tuple of (int, int)
        Index and count: of the inputs, sorted by name, every COUNT-th from the one at INDEX on.

    Raises
    ------
    UserError
        When there is no input, or an output cannot be made of its inputs.
    """
    inputs = [source]
    if is_pattern(source):
        inputs = sorted(glob.glob(source))  # noqa: PTH207 a Path's takes no absolute pattern
        if not inputs:
            raise UserError(f"{source}: there is no such file")
        for path in inputs:
            if Path(path).is_fifo():
                # Opened, it might wait for ever.
                raise UserError(f"{path}: a pipe, which no pattern takes; name it by itself")
    name = Path(target).name
    if Path(target).suffix not in ENDINGS:
        raise UserError(f"{target}: an output ends in {' or '.join(ENDINGS)}")
    if "*" not in name:
        if shard[1] > 1:
            raise UserError(f"{target}: with --shard, each input has an output: give its name a *")
        jobs = [Job(inputs, Path(target))]
    elif source == STDIN:
        raise UserError(f"{target}: standard input has no name to take the place of the *")
    else:
        jobs = [Job([path], _output_for(path, target)) for path in inputs]
    _check_outputs(jobs)
    return jobs[shard[0] :: shard[1]]


def is_pattern(source: str) -> bool:
    """Whether an input is a pattern of file names, and no file of that name is there."""
    return glob.has_magic(source) and not Path(source).exists()


def _output_for(path: str, target: str) -> Path:
    return Path(target).with_name(Path(target).name.replace("*", Path(path).stem))


def _check_outputs(jobs: Sequence[Job]) -> None:
    sources = {os.path.realpath(path) for job in jobs for path in job.inputs if path != STDIN}
    seen: dict[Path, str] = {}
    for job in jobs:
        if os.path.realpath(job.output) in sources:
            raise UserError(f"{job.output}: the output is one of the inputs")
        if job.output in seen:
            raise UserError(f"{job.inputs[0]} and {seen[job.output]} have one output, {job.output}")
        seen[job.output] = job.inputs[0]
