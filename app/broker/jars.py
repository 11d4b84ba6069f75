"""Kafka's jars: downloaded once from Maven Central, then found on this machine.

jgo looks where any Maven client does: local repository in `M2_REPO` or ~/.m2, its own cache in `JGO_CACHE_DIR`, a
mirror as `central = …` under `[repositories]` of its configuration file, proxies from the usual variables. Once they
are complete, a start reads one small file and needs no network.
"""

import errno
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from filelock import FileLock
from jgo.config import GlobalSettings
from jgo.maven import MavenContext, PythonResolver
from jgo.parse import Coordinate
from requests import RequestException

from app.broker.failure_reasons import BrokerError, disk_full_reason

KAFKA = "4.3.0"
COORDINATES = (f"org.apache.kafka:kafka_2.13:{KAFKA}", "org.slf4j:slf4j-simple:1.7.36")

Say = Callable[[str], None]


def cache_dir() -> Path:
    """Return the folder of files derived from the jars, inside jgo's own cache."""
    folder: Path = GlobalSettings.load().cache_dir / "btc" / f"kafka-{KAFKA}"
    return folder


def class_path(say: Say) -> list[Path]:
    """Return Kafka's jars, downloaded first if they are missing; `say` gets one line per step of progress.

    Raises:
        BrokerError: they cannot be downloaded, or the disk is full.

    """
    known = cache_dir() / "classpath"
    if jars := _cached(known):
        return jars
    try:
        known.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(known.with_suffix(".lock")):  # of two first starts, one downloads and the other waits
            return _cached(known) or _download(known, say)
    except (RequestException, RuntimeError, OSError) as error:
        if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise BrokerError(disk_full_reason(known.parent)) from error
        raise BrokerError(
            f"Kafka {KAFKA} cannot be downloaded: {_error_reason(error)}; check the network and start again, "
            "or name a Maven mirror as `central` under [repositories] in ~/.config/jgo.conf"
        ) from error


def _cached(known: Path) -> list[Path]:
    """Return the jars that a finished download listed; empty if one of them is missing or torn."""
    if not known.exists():
        return []
    jars = [Path(line) for line in known.read_text().splitlines()]
    return jars if all(map(zipfile.is_zipfile, jars)) else []


def _download(known: Path, say: Say) -> list[Path]:
    settings = GlobalSettings.load()
    fetcher = _Fetcher(known.with_name("downloading"), say)
    context = MavenContext(resolver=fetcher, repo_cache=settings.repo_cache)
    context.remote_repos.update(settings.repositories)
    direct, transitive = fetcher.resolve([context.create_dependency(_compile(name)) for name in COORDINATES])
    needed = [*direct, *(dependency for dependency in transitive if dependency.scope in {"compile", "runtime"})]
    artifacts = {dependency.artifact.key: dependency.artifact for dependency in needed}
    fetcher.jars = len(artifacts)
    jars = [_complete_jar(artifact) for artifact in artifacts.values()]
    for archive in known.parent.glob("*.aot"):
        archive.unlink()  # Java would refuse it for other jars
    part = known.with_suffix(".part")
    part.write_text("\n".join(map(str, jars)))
    part.replace(known)
    say(f"Kafka {KAFKA}: all {len(jars)} jars downloaded, {sum(jar.stat().st_size for jar in jars) / 1e6:.0f} MB")
    return jars


def _compile(coordinate: str) -> Any:
    return replace(Coordinate.parse(coordinate), scope="compile")


def _complete_jar(artifact: Any) -> Path:
    """Return an artifact's file; a torn one, left by an interrupted download, is downloaded again."""
    path: Path = artifact.resolve()
    if not zipfile.is_zipfile(path):
        path.unlink()
        path = artifact.resolve()
    if not zipfile.is_zipfile(path):
        path.unlink()
        raise RuntimeError(f"{path.name} arrives damaged")
    return path


def _error_reason(error: Exception) -> str:
    if isinstance(error, RequestException) and error.request and error.request.url:
        return f"{urlsplit(str(error.request.url)).hostname} does not answer ({type(error).__name__})"
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]


class _Fetcher(PythonResolver):
    """jgo's resolver with progress lines; it leaves no torn file behind, even if it is killed."""

    def __init__(self, journal: Path, say: Say) -> None:
        super().__init__(progress_callback=self._meter)
        self.jars = 0  # how many are needed, once the list is known
        self._journal, self._say = journal, say
        self._files = self._bytes = 0
        self._reported_s = 0.0
        if journal.exists() and (torn := journal.read_text()):
            Path(torn).unlink(missing_ok=True)

    def download(self, artifact: Any) -> Path | None:
        """Download one file; the journal names it while it may be torn."""
        self._report()
        self._journal.write_text(str(artifact.cached_path))
        try:
            path: Path | None = super().download(artifact)
        except BaseException:
            artifact.cached_path.unlink(missing_ok=True)
            raise
        finally:
            self._journal.unlink(missing_ok=True)
        self._files += artifact.packaging == "jar"
        return path

    @contextmanager
    def _meter(self, _name: str, _size_bytes: int) -> Iterator[Callable[[int], None]]:
        def count(received_bytes: int) -> None:
            self._bytes += received_bytes
            self._report()

        yield count

    def _report(self) -> None:
        if time.monotonic() - self._reported_s < 2.0:
            return
        self._reported_s = time.monotonic()
        done = f"{self._files} of {self.jars} jars" if self.jars else "reading the list of jars"
        self._say(f"downloading Kafka {KAFKA}, once: {done}, {self._bytes / 1e6:.1f} MB")
