"""The real image, run as the Deployment runs it."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from contextlib import ExitStack, suppress

import httpx
import pytest

from eeg_letters import __version__
from eeg_letters.models import LDA, MODELS
from eeg_letters.serving import openapi
from eeg_letters.settings import DATA, DRAIN_SECONDS
from image.build import public_source
from image.container import Container, deployment_options, running
from image.measure import MEMORY_GOAL_MB, SIZE_GOAL_MB, unpacked_megabytes
from tests.conftest import begin_predict
from tests.image.conftest import output
from tests.shipped import COLUMNS, SCHEMA

ROW = [1.0] * 160
FILL = "cat /dev/zero > /tmp/full"


def test_the_deployment_runs_it_with_the_least_privilege() -> None:
    options = deployment_options()
    assert {"--user=1034:1034", "--read-only=true", "--cap-drop=ALL"} <= set(options)
    assert "--security-opt=no-new-privileges" in options
    assert any(option.startswith("--memory=") for option in options)


def test_it_runs_as_a_numeric_user_without_capabilities(container: Container) -> None:
    status = container.execute("cat", "/proc/1/status")
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert set(fields["Uid"].split()) == set(fields["Gid"].split()) == {"1034"}
    assert {int(fields[name], 16) for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}
    assert fields["NoNewPrivs"] == "1"


def test_the_user_of_the_image_is_numeric(engine: str, image: str) -> None:
    assert (
        output(engine, "image", "inspect", "-f", "{{.Config.User}}", image).strip() == "1034:1034"
    )


@pytest.mark.parametrize("path", ["/opt/bento/x", "/opt/venv/x", "/usr/x", "/x"])
def test_nothing_is_written_outside_tmp(container: Container, path: str) -> None:
    assert "Read-only file system" in container.execute("touch", path)


def test_tmp_can_be_written(container: Container) -> None:
    assert container.execute("touch", "/tmp/x") == ""


@pytest.mark.parametrize("tool", ["pip", "pip3", "uv", "git", "gcc", "cc", "make", "curl"])
def test_it_has_no_tools_to_build_with(container: Container, tool: str) -> None:
    script = f"import shutil; print(shutil.which({tool!r}))"
    assert container.execute("/usr/bin/env", "python3", "-c", script).strip() == "None"


@pytest.mark.parametrize("module", ["pip", "ensurepip", "sklearn", "scipy", "pandas", "joblib"])
def test_it_has_no_module_that_serving_does_not_need(container: Container, module: str) -> None:
    assert "ModuleNotFoundError" in container.execute("python3", "-c", f"import {module}")


def test_it_has_no_pickle(container: Container) -> None:
    found = "find /opt/bento ( -name *.pkl -o -name *.pickle -o -name *.joblib )"
    assert container.execute(*found.split()) == ""
    for model in MODELS:
        files = container.execute("sh", "-c", f"ls /opt/bento/models/{model.name}/*/").split()
        assert sorted(files) == ["familiarity.npz", "model.yaml", "scorer.npz"]


def test_no_file_takes_another_user_s_rights(engine: str, image: str) -> None:
    command = [engine, "run", "--rm", "--user=0", "--entrypoint=find", image]
    assert output(*command, "/", "-xdev", "!", "-type", "l", "-perm", "/6000") == ""


@pytest.mark.parametrize(
    ("remote", "label"),
    [
        ("https://github.com/owner/name.git", "https://github.com/owner/name.git"),
        ("https://user:token@github.com/owner/name", "https://github.com/owner/name"),
        ("https://token@github.com/owner/name", "https://github.com/owner/name"),
        ("https://user:a@b:c@github.com/owner/n@me", "https://github.com/owner/n@me"),
        ("https://host/name.git?private_token=x#y", "https://host/name.git"),
        ("ssh://git:password@host:22/name", "ssh://host:22/name"),
        ("git@github.com:owner/name.git", "ssh://github.com/owner/name.git"),
        ("user:token@host:name", ""),
        ("/home/user/name", ""),
        ("file:///home/user/name", ""),
        ("", ""),
    ],
)
def test_the_label_of_the_source_has_no_credentials(remote: str, label: str) -> None:
    assert public_source(remote) == label


def test_its_labels_say_what_it_is(engine: str, image: str) -> None:
    labels = json.loads(output(engine, "image", "inspect", "-f", "{{json .Config.Labels}}", image))
    assert labels["org.opencontainers.image.version"] == __version__
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert len(labels["org.opencontainers.image.revision"]) == 40
    assert "org.opencontainers.image.source" in labels


def test_it_is_as_small_as_promised(engine: str, image: str, container: Container) -> None:
    assert unpacked_megabytes(engine, image) <= SIZE_GOAL_MB
    assert container.resident_megabytes() <= MEMORY_GOAL_MB


def test_every_route_answers(client: httpx.Client) -> None:
    stored = json.loads((DATA / "test.json").read_text())
    assert client.get("/line/232").json() == stored["232"]
    assert set(client.post("/prediction/232").json()) == {
        "prediction LDA",
        "prediction Neural Network",
    }
    assert all(0.5 < score < 0.9 for score in client.get("/score").json().values())
    assert client.post("/prediction", json={"line": 232}).status_code == 200
    assert client.post("/line", json={"line": 232}).status_code == 200
    assert len(client.post("/predict", json={"rows": [ROW]}).json()["predictions"]) == 1
    (version,) = client.get(f"/v2/models/{LDA.name}").json()["versions"]
    assert client.get("/docs.json").json() == openapi.document(SCHEMA, COLUMNS, version)
    for path in ("/", "/docs", "/livez", "/readyz", "/schema.json"):
        assert client.get(path).status_code == 200
    assert client.post("/predict", json={"rows": [[1.0]]}).status_code == 422


def test_it_takes_clients_by_ipv4_and_where_there_is_ipv6_by_ipv6(container: Container) -> None:
    script = (
        "import pathlib, urllib.request\n"
        "ipv6 = pathlib.Path('/proc/net/if_inet6')\n"
        "loopbacks = ipv6.read_text().split() if ipv6.exists() else []\n"
        "for address in ['127.0.0.1', *['[::1]'] * (f'{1:032x}' in loopbacks)]:\n"
        "    print(urllib.request.urlopen(f'http://{address}:3000/readyz').status)"
    )
    assert set(container.execute("python3", "-c", script).split()) == {"200"}


def test_sigterm_under_load_answers_every_request_that_began(mortal: Container) -> None:
    stopped = threading.Event()
    statuses: set[int] = set()

    def load() -> None:
        # A connection that is refused or closed while idle carried no request that began.
        with (
            suppress(httpx.TransportError),
            httpx.Client(base_url=mortal.url, timeout=30) as client,
        ):
            while not stopped.is_set():
                statuses.add(client.get("/prediction/232").status_code)

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 30
    while not statuses:
        assert time.monotonic() < deadline, "nothing is answered"
        time.sleep(0.01)
    body = json.dumps({"rows": [ROW] * 50}).encode()
    with ExitStack() as stack:
        begun = [stack.enter_context(begin_predict(mortal.url, len(body))) for _ in range(10)]
        mortal.signal("TERM")
        for connection in begun:
            connection.sendall(body)
        answers = [connection.makefile("rb").read() for connection in begun]
    status = mortal.wait(DRAIN_SECONDS)
    stopped.set()
    for thread in threads:
        thread.join()
    assert status == 0
    assert [answer.split(b"\r\n", 1)[0] for answer in answers] == [b"HTTP/1.1 200 OK"] * len(begun)
    assert all(json.loads(answer.split(b"\r\n\r\n", 1)[1])["predictions"] for answer in answers)
    assert statuses == {200}


def test_one_process_runs_and_the_container_ends_with_it(mortal: Container) -> None:
    script = (
        "import glob, os\n"
        "for path in glob.glob('/proc/[0-9]*/cmdline'):\n"
        "    if path != f'/proc/{os.getpid()}/cmdline':\n"
        "        print(open(path).read().replace('\\0', ' '))\n"
    )
    running = mortal.execute("python3", "-c", script).splitlines()
    assert [line.strip() for line in running] == ["python -m eeg_letters.serving"]
    mortal.signal("KILL")
    assert mortal.wait(30) == 128 + 9


def test_a_full_tmp_does_not_stop_it(mortal: Container) -> None:
    mortal.execute("sh", "-c", FILL)
    assert "No space left on device" in mortal.execute("sh", "-c", FILL)
    with httpx.Client(base_url=mortal.url, timeout=30) as client:
        for _ in range(20):
            assert client.get("/prediction/232").status_code == 200
        large = client.post("/predict", json={"rows": [ROW] * 1000})
        assert len(large.json()["predictions"]) == 1000
    mortal.signal("TERM")
    assert mortal.wait(DRAIN_SECONDS) == 0


def test_it_starts_with_a_full_tmp(engine: str, image: str) -> None:
    command = ["sh", "-c", f"{FILL} 2>/dev/null; exec python -m eeg_letters.serving"]
    with running(engine, image, command=command) as container:
        assert "No space left on device" in container.execute("sh", "-c", FILL)
        assert httpx.get(f"{container.url}/prediction/232").status_code == 200


def test_a_start_that_cannot_be_ends_with_one_sentence(engine: str, image: str) -> None:
    options = [*deployment_options(), "--env=EEG_MAX_ROWS=many"]
    finished = subprocess.run(
        [engine, "run", "--rm", *options, image],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert finished.returncode == 1
    assert finished.stderr == "eeg-letters: EEG_MAX_ROWS=many: not a whole number above zero\n"


def test_bentoml_serves_its_bento_too(engine: str, image: str, client: httpx.Client) -> None:
    command = ["bentoml", "serve", "/opt/bento", "--port", "3000"]
    with running(engine, image, command=command) as container:
        for path in ("/schema.json", "/docs.json", "/prediction/232"):
            answer = httpx.get(f"{container.url}{path}")
            assert answer.json() == client.get(path).json()
