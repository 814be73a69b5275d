"""The image's batch command, as the Job of k8s/components/batch runs it."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from eeg_letters.settings import DATA
from image.container import deployment_options
from tests.conftest import ROOT

JOB = ROOT / "k8s" / "components" / "batch" / "job.yaml"


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """A volume with five files to predict on."""
    header, *rows = (DATA / "train.csv").read_text().splitlines()
    folder = tmp_path / "volume"
    (folder / "input").mkdir(parents=True)
    for number in range(5):
        part = rows[number * 260 :][:260]
        (folder / "input" / f"part{number}.csv").write_text("\n".join([header, *part]))
    # The container's user is another.
    folder.chmod(0o777)
    return folder


def run_shard(engine: str, image: str, volume: Path, index: int) -> str:
    """Run a pod of the Job to its end."""
    pod: dict[str, Any] = yaml.safe_load(JOB.read_text())["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    (mount,) = [m for m in container["volumeMounts"] if m["name"] == "batch"]
    memory = container["resources"]["limits"]["memory"].removesuffix("i").lower()
    # The Job's security context is the Deployment's: a test of the manifests says so.
    options = [*deployment_options(), f"--memory={memory}", f"-v={volume}:{mount['mountPath']}"]
    command = [
        *container["command"],
        *(
            argument.replace("$(JOB_COMPLETION_INDEX)", str(index))
            for argument in container["args"]
        ),
    ]
    finished = subprocess.run(
        [engine, "run", "--rm", *options, image, *command],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def test_three_shards_predict_on_each_file_once(engine: str, image: str, volume: Path) -> None:
    printed = [run_shard(engine, image, volume, index) for index in range(3)]
    assert [text.count(": 260 rows") for text in printed] == [2, 2, 1]
    assert sorted(path.name for path in (volume / "output").iterdir()) == [
        f"part{number}.parquet" for number in range(5)
    ]
    again = run_shard(engine, image, volume, 0)
    assert again.count("there already") == len(again.splitlines()) == 2
