"""The cluster under test, by way of kubectl."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
NAMESPACE = "eeg-letters"
DEPLOYMENT = "deployment/eeg-letters"
INGRESS = "ingress/eeg-letters"
POD_LABELS = "app.kubernetes.io/name=eeg-letters,app.kubernetes.io/component=server"


class RefusedError(Exception):
    """The suite must not touch this cluster."""


class KubectlError(Exception):
    """kubectl failed; the message is what it said."""


def run_kubectl(*arguments: str, stdin: str | None = None, seconds: float = 60) -> str:
    """Run kubectl to its end and return what it printed."""
    try:
        done = subprocess.run(
            ["kubectl", *arguments], input=stdin, capture_output=True, text=True, timeout=seconds
        )
    except FileNotFoundError:
        raise KubectlError("kubectl is not on PATH") from None
    except subprocess.TimeoutExpired:
        raise KubectlError(f"kubectl {' '.join(arguments)}: no end within {seconds} s") from None
    if done.returncode:
        raise KubectlError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def chosen_context(environment: Mapping[str, str]) -> str:
    """The context that may be used: the current one, named in E2E_CONTEXT as well."""
    wanted = environment.get("E2E_CONTEXT")
    if not wanted:
        raise RefusedError(
            f"E2E_CONTEXT is not set. This suite installs into a cluster and then deletes the"
            f" namespace {NAMESPACE} there. Name the kubectl context it may use:"
            f" make e2e E2E_CONTEXT=…"
        )
    try:
        current = run_kubectl("config", "current-context").strip()
    except KubectlError as error:
        raise RefusedError(f"There is no current kubectl context ({error}).") from error
    if current != wanted:
        raise RefusedError(
            f"The current kubectl context is {current}, but E2E_CONTEXT is {wanted}. To go on:"
            f" kubectl config use-context {wanted}"
        )
    return wanted


@dataclass(frozen=True)
class Cluster:
    """The service in a cluster."""

    context: str
    overlay: str

    def kubectl(self, *arguments: str, stdin: str | None = None, seconds: int = 30) -> str:
        """Run kubectl in the namespace; seconds is what the caller gave it as --timeout."""
        # The context is named each time: a change of the current one in mid-run leads nowhere else.
        place = ("--context", self.context, "--namespace", NAMESPACE)
        return run_kubectl(*place, *arguments, stdin=stdin, seconds=seconds + 30)

    def install(self) -> None:
        """Apply the overlay and wait until all its pods serve."""
        self.kubectl("apply", "-k", self.overlay)
        self.wait_for_rollout()

    def uninstall(self) -> None:
        """Delete all that the overlay has, with the namespace."""
        wait = ("--ignore-not-found", "--wait", "--timeout=180s")
        self.kubectl("delete", "-k", self.overlay, *wait, seconds=180)

    def wait_for_rollout(self) -> None:
        """Wait until all pods are new and available; say how they are if they do not come."""
        try:
            self.kubectl("rollout", "status", DEPLOYMENT, "--timeout=300s", seconds=300)
        except KubectlError as error:
            state = self.kubectl("get", "pods,events", "--output=wide")
            raise KubectlError(f"{error}\n{state}") from error

    def wait_until_gone(self, pods: set[str]) -> None:
        """Wait until pods have ended."""
        self.kubectl("wait", "--for=delete", *sorted(pods), "--timeout=120s", seconds=120)

    def pods(self) -> set[str]:
        """The service's pods, as kubectl takes them: ``pod/NAME``."""
        return set(self.kubectl("get", "pods", "-l", POD_LABELS, "--output=name").split())

    def ingress_url(self) -> str:
        """The address that the controller gave the Ingress."""
        try:
            self.kubectl(
                "wait",
                "--for=jsonpath={.status.loadBalancer.ingress}",
                INGRESS,
                "--timeout=120s",
                seconds=120,
            )
        except KubectlError as error:
            raise KubectlError(
                f"{error}\nThe Ingress has no address. Is there an ingress controller? If it gives"
                f" none (Traefik behind a NodePort), set E2E_URL."
            ) from error
        ingress: dict[str, Any] = json.loads(self.kubectl("get", INGRESS, "--output=json"))
        address = ingress["status"]["loadBalancer"]["ingress"][0]
        return f"http://{address.get('hostname') or address['ip']}"
