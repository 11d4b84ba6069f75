"""Client of a real API server: kubectl and Helm from the folder of the built cluster tools."""

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from helm_python import Config

from tests.chart.objects import CHART, Object

PATIENCE_S = 120.0
NAMESPACED = (
    "pods,services,deployments,statefulsets,replicasets,jobs,configmaps,secrets,serviceaccounts,networkpolicies,"
    "poddisruptionbudgets,horizontalpodautoscalers,resourcequotas,limitranges,persistentvolumeclaims"
)
PRODUCTION_SECRETS = {
    "btc-kafka-credentials": ("username", "password"),
    "btc-kafka-tls": ("ca.crt", "tls.crt", "tls.key"),
    "btc-api-keys": ("api-keys",),
}


class Cluster:
    """kubectl and Helm against one control plane."""

    def __init__(self, tools: Path, folder: Path) -> None:
        self._kubectl, self.kubeconfig = tools / "bin" / "kubectl", folder / "kubeconfig"

    def command(self, *arguments: str) -> list[str]:
        """Return a command of kubectl."""
        return [str(self._kubectl), "--kubeconfig", str(self.kubeconfig), *arguments]

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl and return its output.

        Raises:
            RuntimeError: it failed, with its reason.

        """
        done = subprocess.run(
            self.command(*arguments), input=stdin, capture_output=True, text=True, timeout=180, check=False
        )
        if done.returncode:
            raise RuntimeError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def get(self, kind: str, namespace: str, *arguments: str) -> list[Object]:
        """Return the objects of a kind, or of several."""
        found = json.loads(self.kubectl("-n", namespace, "get", kind, "-o", "json", *arguments))
        return list(found["items"])

    @contextmanager
    def namespace(self, name: str) -> Iterator[str]:
        """Make the chart's restricted namespace under a name, and delete it afterwards."""
        one = yaml.safe_load((CHART.parent / "k8s" / "plain" / "namespace.yaml").read_text())
        one["metadata"]["name"] = name
        self.kubectl("apply", "-f", "-", stdin=json.dumps(one))
        try:
            yield name
        finally:
            self.kubectl("delete", "namespace", name, "--wait=false")

    def make_secrets(self, namespace: str) -> None:
        """Make the Secrets that the production values name; nothing on simulated nodes reads what is in them."""
        for name, keys in PRODUCTION_SECRETS.items():
            literals = [f"--from-literal={key}=x" for key in keys]
            self.kubectl("-n", namespace, "create", "secret", "generic", name, *literals)

    @contextmanager
    def helm(self, namespace: str) -> Iterator[Config]:
        """Return Helm for one namespace."""
        with Config(kubeconfig_path=self.kubeconfig, namespace=namespace) as config:
            yield config

    def pods(self, namespace: str, component: str = "") -> list[Object]:
        """Return the pods that have not ended, of one component or all."""
        selector = ("-l", f"app.kubernetes.io/component={component}") if component else ()
        found = self.get("pods", namespace, *selector)
        return [pod for pod in found if pod["status"].get("phase") in {"Pending", "Running"}
                and "deletionTimestamp" not in pod["metadata"]]  # fmt: skip


def is_ready(pod: Object) -> bool:
    """Return whether a pod is ready and has a node."""
    states = {one["type"]: one["status"] for one in pod["status"].get("conditions", [])}
    return states.get("Ready") == "True" and "nodeName" in pod["spec"]


def until(condition: Callable[[], Any], what: str, patience_s: float = PATIENCE_S) -> None:
    """Wait until a condition holds; afterwards it is an error that names it."""
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {patience_s:.0f} s: {what}"
        time.sleep(0.5)


def tools() -> Path | None:
    """Return the folder of the built cluster tools (`BTC_CLUSTER_TOOLS`), or None where there are none."""
    named = os.environ.get("BTC_CLUSTER_TOOLS")
    folder = Path(named).resolve() if named else None
    return folder if folder and (folder / "bin" / "kube").exists() else None
