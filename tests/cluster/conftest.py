"""Fixture `cluster`: a real control plane with simulated nodes, or a skip with the reason."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.objects import Cluster, tools

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder as `slow`."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Return a fresh cluster of four nodes; it is stopped at the end."""
    folder = tools()
    if folder is None:
        pytest.skip("no cluster tools are built: build them and run `make cluster-test CLUSTER_TOOLS=their folder`")
    run_folder = tmp_path_factory.mktemp("cluster") / "run"
    env = {"NODES": "4", "PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "HOME": str(run_folder.parent)}
    subprocess.run([folder / "up.sh", run_folder], env=env, check=True, timeout=300)
    try:
        yield Cluster(folder, run_folder)
    finally:
        subprocess.run([folder / "down.sh", run_folder], check=True, timeout=60)
