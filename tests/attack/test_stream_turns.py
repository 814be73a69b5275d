"""Messages and frames that are much work: none keeps the event loop for over 5 ms."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.attack.test_turns import MOST_MS
from tests.conftest import ROOT, environment

# A stream as the service makes it, on an event loop that measures each of its turns, as
# `tests.attack.test_turns` has it.
MEASURE = (
    f"MOST_MS = {MOST_MS}"
    + r"""
import asyncio, json, logging, socket, threading, time
from service import EEGLetters
from eeg_letters.scoring.store import load_schema
from tests.attack.streams import CONT, PING, PONG, ROW, frame, upgrade

application = EEGLetters.to_asgi()
logging.disable(logging.CRITICAL)
longest = 0.0
run = asyncio.Handle._run

def measured(handle):
    global longest
    started = time.thread_time()
    run(handle)
    longest = max(longest, time.thread_time() - started)

lines = upgrade().split(b"\r\n")[1:-2]
FIELDS = [tuple(line.split(b": ", 1)) for line in lines]

async def talk(sent, streams):
    global longest
    loop = asyncio.get_running_loop()
    ends, connections = [], set()
    for _ in range(streams):
        ours, theirs = socket.socketpair()
        transport, _ = await loop.connect_accepted_socket(asyncio.Protocol, ours)
        answer, stream = application.switch("/live", "http", FIELDS, b"")
        assert answer[0] == 101
        stream.take_over(transport, connections)
        ends.append(theirs)
    longest = 0.0
    talking = [threading.Thread(target=send_and_read, args=(end, sent)) for end in ends]
    for thread in talking:
        thread.start()
    while connections:
        await asyncio.sleep(0.001)
    for thread in talking:
        thread.join()

def send_and_read(end, sent):
    reading = threading.Thread(target=read, args=(end,))
    reading.start()
    try:
        end.sendall(sent + frame(b"\x03\xe8", 8))
    except OSError:
        pass
    reading.join()
    end.close()

def read(end):
    try:
        while end.recv(1 << 20):
            pass
    except OSError:
        pass

asyncio.Handle._run = measured
found = []

def measure(name, sent, streams=1, times=3):
    turns = []
    while len(turns) < times or (len(turns) < 20 and min(turns) > MOST_MS):
        asyncio.run(talk(sent, streams))
        turns.append(1000 * longest)
    found.append((name, min(turns)))

# As large as a message may be.
MOST = 32 * 1024
names = list(load_schema().features.names)

def largest(make):
    least, most = 1, MOST
    while least < most:
        middle = (least + most + 1) // 2
        size = len(as_json(make(middle)))
        least, most = (middle, most) if size <= MOST else (least, middle - 1)
    return as_json(make(least))

def as_json(document):
    if isinstance(document, bytes):
        return document
    return json.dumps(document, separators=(",", ":")).encode()

def announced(*columns):
    streams = [{"streamName": "pow", "cols": each} for each in columns]
    return {"jsonrpc": "2.0", "result": {"success": streams}}

row = [1.5] * len(names)
named = dict.fromkeys(names, 1.5)
for name, make in {
    "blank columns": lambda n: announced(names + [""] * n),
    "columns": lambda n: announced(names + [str(each) for each in range(n)]),
    "columns twice": lambda n: announced((names * 300)[:n]),
    "columns of many streams": lambda n: announced(*[names] * n),
    "no columns of many streams": lambda n: announced(*[[]] * n),
    "a long row": lambda n: {"row": [1] * n},
    "other names": lambda n: {"row": {**named, **{str(each): 1 for each in range(n)}}},
    "a name again and again": lambda n: b'{"row":{' + b'"Cz/theta":1,' * n + b'"Cz/theta":1}}',
    "long numbers": lambda n: b'{"row":[' + b",".join([b"0." + b"1" * (n // 160)] * 160) + b"]}",
    "blanks": lambda n: b'{"row":[' + b" " * n + b"1]}",
    "lists in lists": lambda n: b'{"row":' + b"[" * n + b"]" * n + b"}",
    "objects in objects": lambda n: b'{"row":' + b'{"a":' * n + b"1" + b"}" * (n + 1),
    "other members": lambda n: {str(each): 1 for each in range(n)},
    "colons": lambda n: {"id": ":" * n, "row": row},
    "a long label": lambda n: {"label": "x" * n, "row": row},
    "a long id": lambda n: {"id": "é" * n, "row": row},
    "a list": lambda n: [1] * n,
    "band powers without columns": lambda n: {"pow": [1] * n, "sid": ""},
    "one that is not UTF-8": lambda n: b'{"row":"' + b"x" * n + b"\xff",
}.items():
    measure(name, frame(largest(make)) * 3)

for name, begin, each, count in (
    ("rows", b"", frame(ROW), 100),
    ("pings", b"", frame(b"", PING), 30_000),
    ("large pings", b"", frame(b"x" * 125, PING), 1_500),
    ("pongs", b"", frame(b"x", PONG), 30_000),
    ("empty messages", b"", frame(b""), 5_000),
    ("empty fragments", frame(b"", fin=False), frame(b"", CONT, fin=False), 30_000),
    ("short fragments", frame(b"", fin=False), frame(b" ", CONT, fin=False), 30_000),
    ("empty objects", b"", frame(b"{}"), 5_000),
):
    measure(name, begin + each * count)
    measure(f"{name}, of 16 streams", begin + each * (count // 10), streams=16)
print(json.dumps(found))
"""
)


def test_every_turn_of_streams_is_short(trained_home: Path) -> None:
    variables = environment(trained_home)
    variables = {name: text for name, text in variables.items() if "COVERAGE" not in name}
    finished = subprocess.run(
        [sys.executable, "-c", MEASURE],
        cwd=ROOT,
        env=variables,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    turns = json.loads(finished.stdout.splitlines()[-1])
    print(turns)
    assert len(turns) > 30
    assert [(name, ms) for name, ms in turns if ms > MOST_MS] == []
