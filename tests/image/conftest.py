"""Fixtures of the built image: `podman` runs it, `image` is its name; both skip where it cannot be tested.

`BTC_IMAGE` names the image, `BTC_PODMAN` the engine with its options, `BTC_PODMAN_RUN` more options of each `run`.
"""

import os
import shlex
import shutil
import subprocess
from collections.abc import Callable

import pytest

Podman = Callable[..., str]


@pytest.fixture(scope="session")
def podman() -> Podman:
    """Return a function that runs podman and returns what it prints (unchecked: its exit code), or skip."""
    engine = shlex.split(os.environ.get("BTC_PODMAN", "podman"))
    if not shutil.which(engine[0]):
        pytest.skip(f"{engine[0]} is not on this machine: the image cannot be tested here")

    def run(*arguments: str, check: bool = True) -> str:
        done = subprocess.run([*engine, *arguments], capture_output=True, text=True, timeout=120, check=False)
        if not check:
            return str(done.returncode)
        assert done.returncode == 0, f"podman {shlex.join(arguments)}: {done.stderr}"
        return done.stdout + (done.stderr if arguments[0] == "logs" else "")

    return run


@pytest.fixture(scope="session")
def image(request: pytest.FixtureRequest) -> str:
    """Return the name of the image under test, or skip where none was named."""
    name = os.environ.get("BTC_IMAGE", "")
    if not name:
        pytest.skip("no image was named: build one as in docs/image.md and set BTC_IMAGE")
    podman: Podman = request.getfixturevalue("podman")
    if podman("image", "exists", name, check=False) != "0":
        pytest.skip(f"podman has no image {name}: build it as in docs/image.md, or name yours in BTC_IMAGE")
    return name


@pytest.fixture(scope="session")
def inside(image: str, podman: Podman) -> Podman:
    """Return a function that runs a command in a fresh container, as the chart would: any user, read-only root."""

    def run(*command: str, check: bool = True) -> str:
        return podman("run", "--rm", "--network", "none", *restricted(), "--entrypoint", command[0], image,
                      *command[1:], check=check)  # fmt: skip

    return run


def restricted() -> list[str]:
    """Return the rules of Kubernetes' restricted pod security, as options of `podman run`."""
    return [
        "--read-only", "--read-only-tmpfs=false",
        "--tmpfs", "/tmp:rw,mode=1777", "--tmpfs", "/var/lib/btc:rw,mode=1777",
        "--user", "12345:12345", "--cap-drop", "all", "--security-opt", "no-new-privileges", "--no-healthcheck",
        *shlex.split(os.environ.get("BTC_PODMAN_RUN", "")),
    ]  # fmt: skip
