"""The command, as it is typed."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from eeg_letters.errors import LiveError
from eeg_letters.live.__main__ import parse_arguments
from eeg_letters.live.served import served_schema
from eeg_letters.recordings.any_format import read_any
from eeg_letters.settings import DATA
from tests.conftest import ROOT, free_port
from tests.live.test_lsl import outlet

TEST = DATA / "test.json"


def live_command(*arguments: str | Path) -> list[str]:
    """The command line."""
    return [sys.executable, "-m", "eeg_letters.live", *map(str, arguments)]


def run_live(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        live_command(*arguments),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        stdin=subprocess.DEVNULL,
        env={name: value for name, value in os.environ.items() if not name.startswith("EMOTIV_")},
    )


def address(server: str) -> str:
    """Of a service's streams."""
    return f"{server.replace('http', 'ws', 1)}/live"


def test_a_replay_is_answered_as_predict_answers(server: str, client: httpx.Client) -> None:
    finished = run_live(f"replay:{TEST}", address(server), "--rate", "0", "--json")
    assert (finished.returncode, finished.stderr) == (0, "")
    answers = [json.loads(line) for line in finished.stdout.splitlines()]
    assert [answer["id"] for answer in answers] == list(range(1300))
    said = client.get("/predictions").json()
    for title in ("LDA", "Neural Network"):
        assert [answer[title]["label"] for answer in answers] == said["labels"][title]
    assert [answer["truth"] for answer in answers] == [number // 50 for number in range(1300)]
    assert all(answer["latency_ms"] > 0 for answer in answers)


def test_without_a_terminal_the_last_state_is_printed(server: str) -> None:
    finished = run_live(f"replay:{TEST}", address(server), "--rate", "0")
    assert (finished.returncode, finished.stderr) == (0, "")
    assert f"replay:{TEST} → {address(server)}" in finished.stdout.replace("\n", "")
    assert "over 8 rows" in finished.stdout
    assert "10.2 % unfamiliar" in finished.stdout
    assert "1300 rows, 0 refused, 0 lost; 0 reconnects, 0 rows sent again" in finished.stdout
    assert "Right of 1300: LDA 0.7577, Neural Network 0.7323, Decision 0." in finished.stdout


def test_columns_are_found_by_name_and_labels_need_not_be_there(
    server: str, client: httpx.Client, tmp_path: Path
) -> None:
    row = client.get("/line/232").json()
    names = [name for name in reversed(row) if name != "# Letter"]
    with (tmp_path / "one.csv").open("w", newline="") as file:
        csv.writer(file).writerows([names, [row[name] for name in names]])
    finished = run_live(f"replay:{tmp_path / 'one.csv'}", address(server), "--json")
    (answer,) = map(json.loads, finished.stdout.splitlines())
    assert answer["id"] == 232
    assert answer["LDA"]["label"] == client.get("/prediction/232").json()["prediction LDA"]
    assert "truth" not in answer


@pytest.mark.parametrize(
    ("ends", "interrupt"),
    [
        (signal.SIGINT, signal.SIG_DFL),
        (signal.SIGTERM, signal.SIG_DFL),
        # As a shell's background jobs have it.
        (signal.SIGTERM, signal.SIG_IGN),
    ],
)
def test_an_interrupted_replay_ends_with_what_it_has(
    server: str, ends: signal.Signals, interrupt: signal.Handlers
) -> None:
    with subprocess.Popen(
        live_command(f"replay:{TEST}", address(server), "--json"),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, interrupt),
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        process.send_signal(ends)
        rest, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert told == "eeg_letters.live: interrupted\n"
    assert [json.loads(line)["id"] for line in (first, *rest.splitlines())][:1] == [0]


def test_who_reads_the_lines_may_stop(server: str) -> None:
    command = live_command(f"replay:{TEST}", address(server), "--rate", "0", "--json")
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 1


@pytest.mark.parametrize(
    ("source", "query", "status", "told"),
    [
        ("replay:nothing.csv", "", 2, "nothing.csv: there is no such file"),
        ("replay:README.md", "", 2, "README.md"),
        ("replay:{test}", "?window=0", 1, "takes no stream: 422, window"),
        ("replay:{test}", "?probabilities=all", 2, "probabilities=all is for --json"),
        ("replay:{test}", "/nowhere", 1, "404"),
        ("brainflow:synthetic", "", 1, "110 of the 160 features of the models are missing: Fp1/th"),
    ],
)
def test_what_is_wrong_is_told_in_one_sentence(
    source: str, query: str, status: int, told: str, server: str
) -> None:
    finished = run_live(source.format(test=TEST), f"{address(server)}{query}")
    assert finished.returncode == status
    assert told in finished.stderr
    assert finished.stderr.startswith("eeg_letters.live: ")
    assert finished.stderr.count("\n") == 1
    assert finished.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["file.csv"], "'file.csv' is no source: replay:FILE, lsl:NAME, cortex or brainflow:BOARD"),
        (["lsl:"], "is no source"),
        (["replay:x", "--rate", "-1"], "-1 is not 0 or more"),
        (["cortex", "--rate", "8"], "--rate has no meaning for cortex"),
        (["cortex", "--record", "a.csv"], "--record and --cues go together"),
        (["cortex", "--cues", "A-Z"], "--record and --cues go together"),
        (["cortex", "--rounds", "2"], "--rounds has no meaning without --record"),
        (["cortex", "ws://x", "--record", "a.csv", "--cues", "A-Z"], "URL has no meaning"),
        (
            ["cortex", "--bands", "mu", "--record", "a.csv", "--cues", "A-Z"],
            "--bands has no meaning",
        ),
        (["brainflow:synthetic", "--bands", "a,A"], "has no name, or one twice"),
    ],
)
def test_a_wrong_command_line_is_refused(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parse_arguments(arguments)
    assert ended.value.code == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("source", "path", "cues", "told"),
    [
        (
            "cortex",
            "a.csv",
            "A-Z",
            "cortex needs EMOTIV_CLIENT_ID and EMOTIV_CLIENT_SECRET in the environment",
        ),
        ("lsl:x", "a.txt", "A-Z", "a.txt: a recording ends in .csv or .parquet"),
        ("lsl:x", "a.csv", "A", "--cues A: they must be two classes or more, each once"),
        ("replay:x", "a.csv", "A-Z", "replay:x: it is recorded already"),
    ],
)
def test_what_cannot_be_recorded_is_refused(source: str, path: str, cues: str, told: str) -> None:
    finished = run_live(source, "--record", path, "--cues", cues)
    assert (finished.returncode, finished.stderr) == (2, f"eeg_letters.live: {told}\n")


def test_an_extra_that_is_not_installed_is_named() -> None:
    script = (
        "import runpy, sys; sys.modules['pylsl'] = None;"
        " sys.argv[1:] = ['lsl:x', '--record', 'a.csv', '--cues', 'A,B'];"
        " runpy.run_module('eeg_letters.live', run_name='__main__')"
    )
    finished = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 1
    assert "lsl:x needs the extra lsl: pip install 'eeg-letters[lsl]'" in finished.stderr
    assert finished.stderr.count("\n") == 1


def test_no_service_is_given_up() -> None:
    script = (
        "import runpy, sys; from eeg_letters.live import following;"
        " following.PATIENCE_SECONDS = 0.1;"
        f" sys.argv[1:] = ['replay:x', 'ws://127.0.0.1:{free_port()}/live'];"
        " runpy.run_module('eeg_letters.live', run_name='__main__')"
    )
    finished = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 1
    assert "/models: no service within 0.1 s: " in finished.stderr
    assert finished.stderr.count("\n") == 1


@pytest.mark.parametrize("url", ["ws://[::1/live", "ws://localhost:x/live", "localhost:3000"])
def test_what_is_no_address_is_refused_in_one_sentence(url: str) -> None:
    finished = run_live(f"replay:{TEST}", url)
    assert finished.returncode == 1
    assert finished.stderr == (
        f"eeg_letters.live: {url}: no address of a WebSocket, such as ws://localhost:3000/live\n"
    )


def test_whoever_speaks_no_http_is_no_service() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    connection.sendall(b"SSH-2.0\r\n")
                    connection.close()

        threading.Thread(target=greet, daemon=True).start()
        url = f"ws://127.0.0.1:{server.getsockname()[1]}/live"
        with pytest.raises(LiveError, match=r"no service within 0\.1 s"):
            asyncio.run(served_schema(url, 0.1))


def test_a_stream_of_lab_streaming_layer_is_followed(server: str, client: httpx.Client) -> None:
    with outlet("Timestamp", *client.get("/models").json()[0]["feature_names"]) as (name, _):
        command = live_command(f"lsl:{name}", address(server), "--json")
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            answers = [json.loads(process.stdout.readline()) for _ in range(5)]
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 130
    assert [answer["id"] for answer in answers] == list(range(5))
    predicted = client.post("/predict", json={"rows": [[0.5] * 160]}).json()["predictions"][0]
    assert {answer["LDA"]["label"] for answer in answers} == {predicted["LDA"]["label"]}
    assert all(abs(answer["time"] - time.time()) < 60 for answer in answers)


def test_a_board_is_recorded_by_cue_until_it_is_interrupted(tmp_path: Path) -> None:
    path = tmp_path / "take.csv"
    command = live_command("brainflow:synthetic", "--record", path, "--cues", "A,E,I")
    command += [
        "--seconds",
        "2.3",
        "--rest",
        "0",
        "--bands",
        "theta,alpha",
        "--electrodes",
        "Cz,C3",
    ]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        while not path.exists():
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        printed, told = process.communicate(timeout=60)
    assert (process.returncode, told) == (130, "eeg_letters.live: interrupted\n")
    recording = read_any(path)
    *cues, last = printed.splitlines()
    assert last == f"{path}: {len(recording)} rows of 1 cues, 3 classes"
    # Nobody could have followed what is not shown.
    assert cues[0] == "+"
    assert cues[1] == f"{'ABCDEFGHI'[recording.labels[0]]}  round 1 of 10, cue 1 of 3"
    assert recording.columns == ("Line", "# Letter", "Cz/theta", "Cz/alpha", "C3/theta", "C3/alpha")
    assert len(set(recording.labels.tolist())) == 1
    assert recording.labels[0] in (0, 4, 8)
