"""Proxies in front of services, as people have them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import yaml

from tests.conftest import ROOT, free_port

# What nginx needs, as the document for its users has it.
_LOCATION = re.compile(r"```nginx\n(location /live .*?)```", re.DOTALL)
_NGINX = """
daemon off;
master_process off;
pid nginx.pid;
error_log error.log;
events {}
http {
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  HTTP
}
"""
_DOCUMENTED = """
  proxy_read_timeout {seconds}s;
  proxy_send_timeout {seconds}s;
  keepalive_timeout {seconds}s;
  server {{
    listen 127.0.0.1:PORT;
    location / {{ proxy_pass {url}; }}
    {location}
  }}
"""


@contextmanager
def documented_nginx(folder: Path, url: str, seconds: int) -> Iterator[str]:
    """nginx as docs/operations.md has it, with these seconds for its time limits."""
    (location,) = _LOCATION.findall((ROOT / "docs" / "operations.md").read_text())
    location = location.replace("http://127.0.0.1:3000", url)
    with nginx(folder, _DOCUMENTED.format(url=url, seconds=seconds, location=location)) as proxy:
        yield proxy


@contextmanager
def nginx(folder: Path, http: str) -> Iterator[str]:
    """nginx with what its section `http` says, in which PORT stands for its port."""
    # Debian has it where the search path of users does not lead.
    found = shutil.which("nginx", path=os.pathsep.join([os.environ["PATH"], "/usr/sbin"]))
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("nginx is not installed")
        pytest.skip("nginx is not installed")
    port = free_port()
    text = _NGINX.replace("HTTP", http).replace("PORT", str(port))
    (folder / "nginx.conf").write_text(text)
    command = [found, "-p", str(folder), "-c", "nginx.conf", "-e", "error.log"]
    with _running(command, folder, f"http://127.0.0.1:{port}", bool) as proxy:
        yield proxy


@contextmanager
def traefik(folder: Path, urls: Sequence[str], seconds: int) -> Iterator[str]:
    """Traefik before services that it asks in turn, with these seconds for its time limits."""
    found = Path(sys.executable).with_name("traefik")
    if not found.exists():
        if os.environ.get("CI"):
            pytest.fail("traefik is not installed")
        pytest.skip("traefik is not installed (its wheel is for Linux and macOS)")
    port = free_port()
    services = {
        "letters": {
            "loadBalancer": {
                "servers": [{"url": url} for url in urls],
                "healthCheck": {"path": "/readyz", "interval": "1s", "timeout": "1s"},
            }
        }
    }
    routers = {"letters": {"rule": "PathPrefix(`/`)", "service": "letters"}}
    file = folder / "dynamic.yaml"
    file.write_text(yaml.safe_dump({"http": {"routers": routers, "services": services}}))
    limits = "--entryPoints.web.transport.respondingTimeouts"
    command = [
        str(found),
        f"--entryPoints.web.address=127.0.0.1:{port}",
        *(f"{limits}.{name}Timeout={seconds}s" for name in ("read", "write", "idle")),
        f"--providers.file.filename={file}",
        "--global.checkNewVersion=false",
        "--global.sendAnonymousUsage=false",
    ]
    # Until it has read the file it answers 404.
    url = f"http://127.0.0.1:{port}"
    with _running(command, folder, url, lambda status: status == 200) as proxy:
        yield proxy


@contextmanager
def _running(
    command: Sequence[str], folder: Path, url: str, is_ready: Callable[[int], bool]
) -> Iterator[str]:
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 20
        while not is_ready(_status(url)):
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.wait(20)


def _status(url: str) -> int:
    try:
        return httpx.get(f"{url}/readyz").status_code
    except httpx.TransportError:
        return 0
