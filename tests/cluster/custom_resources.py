"""The definitions of the operators' kinds that the chart and k8s/ use, from the operators' own Go modules.

They go into Go's module cache, outside the repository.
"""

import json
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import yaml

from tests.chart.objects import Object

GATEWAY = "config/crd/experimental/gateway.networking.k8s.io_"  # sessionPersistence is not in the standard channel
MONITORING = "example/prometheus-operator-crd/monitoring.coreos.com_"
MODULES = {  # module@version → files
    "github.com/elastic/cloud-on-k8s/v3@v3.5.0": ("config/crds/v1/all-crds.yaml",),
    "github.com/kedacore/keda/v2@v2.21.0": (
        "config/crd/bases/keda.sh_scaledobjects.yaml",
        "config/crd/bases/keda.sh_triggerauthentications.yaml",
    ),
    "github.com/prometheus-operator/prometheus-operator@v0.85.0": (
        f"{MONITORING}prometheusrules.yaml",
        f"{MONITORING}servicemonitors.yaml",
    ),
    "istio.io/api@v1.32.0": ("kubernetes/customresourcedefinitions.gen.yaml",),
    "k8s.io/autoscaler/vertical-pod-autoscaler@v1.8.1": ("deploy/vpa-v1-crd-gen.yaml",),
    "sigs.k8s.io/gateway-api@v1.6.3": (f"{GATEWAY}httproutes.yaml",),
}


@lru_cache(maxsize=1)
def definitions() -> dict[str, Object]:
    """Return every CustomResourceDefinition of those files by its kind.

    Raises:
        FileNotFoundError: there is no Go, or a module cannot be had.

    """
    found = (one for module, files in MODULES.items() for one in _definitions(module, files))
    return {one["spec"]["names"]["kind"]: one for one in found}


def _definitions(module: str, files: tuple[str, ...]) -> Iterator[Object]:
    with zipfile.ZipFile(_downloaded(module)) as archive:
        for file in files:
            for one in yaml.load_all(archive.read(f"{module}/{file}"), yaml.CSafeLoader):
                if one and one["kind"] == "CustomResourceDefinition":
                    yield one


def _downloaded(module: str) -> Path:
    """Return a module's archive; that Go is too old to build it does not matter."""
    if shutil.which("go") is None:
        raise FileNotFoundError("no go on this machine: it downloads the operators' definitions")
    command = ["go", "mod", "download", "-json", module]
    done = subprocess.run(command, cwd="/", capture_output=True, text=True, timeout=300, check=False)
    archive = json.loads(done.stdout or "{}").get("Zip")
    if archive is None:
        raise FileNotFoundError(f"go cannot download {module}: {done.stdout}{done.stderr}")
    return Path(archive)
