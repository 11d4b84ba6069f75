"""Kafka's jars, without a network."""

import errno
import zipfile
from pathlib import Path
from typing import Any

import pytest
import requests

from app.broker import jars as broker_jars
from app.broker.failure_reasons import BrokerError
from app.broker.jars import class_path


@pytest.fixture
def known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the class path that a finished download left: one complete jar."""
    monkeypatch.setenv("JGO_CACHE_DIR", str(tmp_path))
    jar = tmp_path / "kafka.jar"
    with zipfile.ZipFile(jar, "w") as made:
        made.writestr("a.class", b"")
    path = broker_jars.cache_dir() / "classpath"
    path.parent.mkdir(parents=True)
    path.write_text(str(jar))
    return path


def refuse(error: Exception) -> Any:
    def download(*_arguments: object) -> list[Path]:
        raise error

    return download


def test_known_jars_need_no_download(known: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Downloaded jars are used without a line of output."""
    monkeypatch.setattr(broker_jars, "_download", refuse(AssertionError("the network was touched")))
    assert class_path(pytest.fail) == [tmp_path / "kafka.jar"]


def test_a_torn_jar_is_downloaded_again(known: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A jar that is not a complete archive is downloaded again."""
    (tmp_path / "kafka.jar").write_bytes(b"PK torn")
    monkeypatch.setattr(broker_jars, "_download", lambda *_arguments: [Path("fresh.jar")])
    assert class_path(print) == [Path("fresh.jar")]


def test_no_network_is_one_clear_line(known: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a network the error names the host that does not answer, and what to do."""
    known.unlink()
    request = requests.Request("GET", "https://maven.example/kafka.pom").prepare()
    monkeypatch.setattr(broker_jars, "_download", refuse(requests.ConnectionError("long\nstory", request=request)))
    with pytest.raises(
        BrokerError, match=r"cannot be downloaded: maven\.example does not answer .*; check the network"
    ):
        class_path(print)


def test_a_disk_full_of_jars_is_one_clear_line(known: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A download that does not fit says so, with the folder."""
    known.unlink()
    monkeypatch.setattr(broker_jars, "_download", refuse(OSError(errno.ENOSPC, "No space left on device")))
    with pytest.raises(BrokerError, match=f"disk of the embedded Kafka is full: .* at {known.parent}"):
        class_path(print)


def test_a_killed_download_leaves_no_torn_file(tmp_path: Path) -> None:
    """The file that the journal names is removed: it was being written when the process died."""
    torn, journal = tmp_path / "torn.jar", tmp_path / "downloading"
    torn.write_bytes(b"PK")
    journal.write_text(str(torn))
    broker_jars._Fetcher(journal, print)
    assert not torn.exists()
