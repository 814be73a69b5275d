"""Running the image as the Deployment does."""

from __future__ import annotations

import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

DEPLOYMENT = Path(__file__).resolve().parent.parent / "k8s" / "base" / "deployment.yaml"
READY_WITHIN_SECONDS = 60


@dataclass(frozen=True)
class Container:
    """A container that runs.

    Attributes
    ----------
    engine : str
        ``docker`` or ``podman``.
    name : str
        Its identifier.
    url : str
        Where it answers, on loopback.
    ready_seconds : float
        From the engine's start of it to its first answer to ``/readyz``.
    """

    engine: str
    name: str
    url: str
    ready_seconds: float

    def execute(self, *command: str) -> str:
        """Run a command in it and return what it prints, errors included."""
        return _output(self.engine, "exec", self.name, *command)

    def logs(self) -> str:
        """What it has printed."""
        return _output(self.engine, "logs", self.name)

    def inspect(self, template: str) -> str:
        """One fact about it, by a template of the engine's."""
        return _output(self.engine, "inspect", "--format", template, self.name).strip()

    def signal(self, name: str) -> None:
        """Send a signal to its first process."""
        _output(self.engine, "kill", "--signal", name, self.name)

    def wait(self, seconds: float) -> int:
        """Wait for its end and return its exit status."""
        status = subprocess.run(
            [self.engine, "wait", self.name],
            capture_output=True,
            text=True,
            timeout=seconds,
            check=True,
        )
        return int(status.stdout)

    def resident_megabytes(self) -> float:
        """Resident memory of all its processes, added up."""
        script = (
            "import glob, os, re\n"
            "own = f'/proc/{os.getpid()}/status'\n"
            "sizes = [re.search(r'VmRSS:\\s+(\\d+)', open(f).read())\n"
            "         for f in glob.glob('/proc/[0-9]*/status') if f != own]\n"
            "print(sum(int(size[1]) for size in sizes if size))"
        )
        return int(self.execute("python3", "-c", script)) * 1024 / 1e6


def deployment_options() -> list[str]:
    """What the Deployment asks of a container, as options of ``docker run`` and ``podman run``."""
    pod: dict[str, Any] = yaml.safe_load(DEPLOYMENT.read_text())["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    user, security = pod["securityContext"], container["securityContext"]
    memory = container["resources"]["limits"]["memory"].removesuffix("i").lower()
    tmp = pod["volumes"][0]["emptyDir"]["sizeLimit"].removesuffix("i").lower()
    return [
        f"--user={user['runAsUser']}:{user['runAsGroup']}",
        f"--read-only={str(security['readOnlyRootFilesystem']).lower()}",
        *(f"--cap-drop={capability}" for capability in security["capabilities"]["drop"]),
        *([] if security["allowPrivilegeEscalation"] else ["--security-opt=no-new-privileges"]),
        f"--memory={memory}",
        f"--tmpfs=/tmp:rw,mode=1777,size={tmp}",
    ]


@contextmanager
def running(
    engine: str, image: str, options: Sequence[str] = (), command: Sequence[str] = ()
) -> Iterator[Container]:
    """Run an image as the Deployment does until the block ends.

    Parameters
    ----------
    engine : str
        ``docker`` or ``podman``.
    image : str
        Name and tag.
    options : sequence of str
        Further options of ``run``.
    command : sequence of str
        What is run instead of the image's command.

    Yields
    ------
    Container
        Ready to answer.
    """
    started = time.perf_counter()
    arguments = [*deployment_options(), "--publish=127.0.0.1::3000", *options]
    name = _output(engine, "run", "--detach", *arguments, image, *command).strip().splitlines()[-1]
    try:
        port = _output(engine, "port", name, "3000/tcp").split(":")[-1].strip()
        url = f"http://127.0.0.1:{port}"
        _await_ready(engine, name, url)
        yield Container(engine, name, url, time.perf_counter() - started)
    finally:
        _output(engine, "rm", "--force", name)


def _await_ready(engine: str, name: str, url: str) -> None:
    deadline = time.monotonic() + READY_WITHIN_SECONDS
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.02)
    raise TimeoutError(
        f"not ready within {READY_WITHIN_SECONDS} s:\n{_output(engine, 'logs', name)}"
    )


def _output(*command: str) -> str:
    finished = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    return finished.stdout
