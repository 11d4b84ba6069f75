"""A small HTTP server that answers as an API server does: discovery, and objects by their path."""

import json
import random
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from helm_python import Config

from tests.chart.objects import NAMESPACE, Object

KINDS = {
    "v1": {"Namespace": "namespaces", "Secret": "secrets"},
    "storage.k8s.io/v1": {"StorageClass": "storageclasses"},
    "scheduling.k8s.io/v1": {"PriorityClass": "priorityclasses"},
    "node.k8s.io/v1": {"RuntimeClass": "runtimeclasses"},
    "apiextensions.k8s.io/v1": {"CustomResourceDefinition": "customresourcedefinitions"},
}


class ApiServer:
    """What the server holds, what it refuses to show, and the paths that were asked."""

    def __init__(self, objects: list[Object], forbidden: str) -> None:
        self.objects, self.forbidden = objects, forbidden
        self.asked: list[str] = []

    def answer(self, path: str) -> tuple[int, Object]:
        """Return status and body."""
        self.asked.append(path)
        if (known := self._discovery(path)) is not None:
            return 200, known
        if self.forbidden and f"/{self.forbidden}" in path:
            return _failure(403, "Forbidden", f"{self.forbidden} is forbidden: this user cannot read it")
        if path.endswith("/storageclasses"):
            found = [one for one in self.objects if one["kind"] == "StorageClass"]
            return 200, {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClassList", "metadata": {}, "items": found}
        for one in self.objects:
            if path == _path(one):
                return 200, one
        return _failure(404, "NotFound", f"{path} not found")

    def _discovery(self, path: str) -> Object | None:
        if path == "/version":
            return {"major": "1", "minor": "34", "gitVersion": "v1.34.0"}
        if path == "/api":
            return {"kind": "APIVersions", "versions": ["v1"]}
        if path == "/apis":
            groups = [_group(version) for version in KINDS if "/" in version]
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
        version = path.removeprefix("/apis/").removeprefix("/api/")
        if version not in KINDS:
            return None
        resources = [
            {"name": plural, "kind": kind, "namespaced": kind == "Secret", "singularName": "", "verbs": ["get", "list"]}
            for kind, plural in KINDS[version].items()
        ]
        return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": resources}


def _group(version: str) -> Object:
    one = {"groupVersion": version, "version": version.partition("/")[2]}
    return {"name": version.partition("/")[0], "versions": [one], "preferredVersion": one}


def _failure(code: int, reason: str, message: str) -> tuple[int, Object]:
    return code, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason,
                  "message": message}  # fmt: skip


def _path(one: Object) -> str:
    version, metadata = one["apiVersion"], one["metadata"]
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    namespace = f"/namespaces/{metadata['namespace']}" if "namespace" in metadata else ""
    return f"{root}{namespace}/{KINDS[version][one['kind']]}/{metadata['name']}"


@contextmanager
def api_server(objects: list[Object], forbidden: str = "") -> Iterator[tuple[ApiServer, Config]]:
    """Run a server; yield what it was asked, and a Helm that talks to it."""
    state = ApiServer(objects, forbidden)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            code, body = state.answer(self.path.partition("?")[0])
            text = json.dumps(body).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_args: Any) -> None:
            pass

    # Helm keeps what it discovered by address and port, so each server has an address of its own.
    address = f"127.{random.randint(1, 254)}.{random.randint(1, 254)}.{random.randint(1, 254)}"
    server = ThreadingHTTPServer((address, 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        with Config(kubeconfig_content=_kubeconfig(address, server.server_port), namespace=NAMESPACE) as helm:
            yield state, helm
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        shutil.rmtree(Path.home() / f".kube/cache/discovery/{address}_{server.server_port}", ignore_errors=True)


def _kubeconfig(address: str, port: int) -> str:
    return json.dumps({
        "apiVersion": "v1", "kind": "Config", "current-context": "it", "users": [{"name": "it", "user": {}}],
        "clusters": [{"name": "it", "cluster": {"server": f"http://{address}:{port}"}}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
    })  # fmt: skip
