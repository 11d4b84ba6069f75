"""A control plane with played nodes for the tests of this folder. What leaves: `cluster`; or a skip that says why."""

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
    place = tmp_path_factory.mktemp("cluster") / "run"
    env = {"NODES": "4", "PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "HOME": str(place.parent)}
    subprocess.run([folder / "up.sh", place], env=env, check=True, timeout=300)
    try:
        yield Cluster(folder, place)
    finally:
        subprocess.run([folder / "down.sh", place], check=True, timeout=60)
