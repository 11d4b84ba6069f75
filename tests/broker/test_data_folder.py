"""The data folder of the embedded Kafka: its configuration, and what counts as damage."""

from pathlib import Path

import pytest

from app.broker import data_folder
from app.broker.failure_reasons import BrokerError

META = "#\ncluster.id=abc\ndirectory.id=def\nnode.id=1\nversion=1\n"
SEGMENT = "00000000000000000000.log"
BATCH = bytes(16) + b"\x02" + bytes(44)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder as a clean shutdown leaves it: metadata and one topic of one partition."""
    for name in ("__cluster_metadata-0", "btc.ticks-0"):
        (tmp_path / "data" / name).mkdir(parents=True)
        (tmp_path / "data" / name / SEGMENT).write_bytes(BATCH)
    (tmp_path / "data/meta.properties").write_text(META)
    (tmp_path / "data/.kafka_cleanshutdown").touch()
    data_folder.record_segment_sizes(tmp_path)
    return tmp_path


def test_a_folder_left_by_a_clean_shutdown_is_undamaged(folder: Path) -> None:
    """A folder left by a clean shutdown passes the check, and its cluster id is read."""
    data_folder.check(folder)
    assert data_folder.cluster_id(folder) == "abc"


def test_an_empty_folder_is_undamaged(tmp_path: Path) -> None:
    """A folder in which Kafka never ran passes the check and has no cluster id."""
    data_folder.check(tmp_path)
    assert data_folder.cluster_id(tmp_path) is None


@pytest.mark.parametrize(
    "garbage", [b"", b"\xff\xfe\x00", b"cluster.id=\nnode.id=1\nversion=1", b"cluster.id=a\nnode.id=7"]
)
def test_unreadable_metadata_is_damage(folder: Path, garbage: bytes) -> None:
    """A meta.properties that Kafka did not write is an error with the folder and what to do."""
    (folder / "data/meta.properties").write_bytes(garbage)
    with pytest.raises(BrokerError, match=r"meta\.properties is unreadable in .*; remove .* to start afresh"):
        data_folder.check(folder)


@pytest.mark.parametrize(
    ("lost", "reason"),
    [
        ("meta.properties", "meta.properties is missing"),
        (f"__cluster_metadata-0/{SEGMENT}", "the log of __cluster_metadata-0 is missing"),
        (f"btc.ticks-0/{SEGMENT}", f"btc.ticks-0/{SEGMENT} is missing"),
    ],
)
def test_a_lost_file_is_named(folder: Path, lost: str, reason: str) -> None:
    """Each file that Kafka needs is named if it is missing."""
    (folder / "data" / lost).unlink()
    with pytest.raises(BrokerError, match=reason):
        data_folder.check(folder)


@pytest.mark.parametrize("content", [BATCH[:30], b"x" * len(BATCH)], ids=["shorter", "overwritten"])
def test_a_changed_segment_is_named(folder: Path, content: bytes) -> None:
    """A segment with another size, or without a record batch, is an error."""
    (folder / "data/btc.ticks-0" / SEGMENT).write_bytes(content)
    with pytest.raises(BrokerError, match=f"btc.ticks-0/{SEGMENT} was changed"):
        data_folder.check(folder)


def test_after_a_kill_the_topics_are_left_to_kafkas_recovery(folder: Path) -> None:
    """Without recorded sizes a torn segment is left to Kafka, but unreadable metadata are still an error."""
    data_folder.forget_segment_sizes(folder)
    (folder / "data/btc.ticks-0" / SEGMENT).write_bytes(b"torn")
    data_folder.check(folder)
    (folder / "data/__cluster_metadata-0" / SEGMENT).write_bytes(b"torn")
    with pytest.raises(BrokerError, match="log of __cluster_metadata-0 is unreadable"):
        data_folder.check(folder)


def test_sizes_are_recorded_after_a_clean_shutdown_only(folder: Path) -> None:
    """After a kill no sizes are recorded."""
    data_folder.forget_segment_sizes(folder)
    (folder / "data/.kafka_cleanshutdown").unlink()
    data_folder.record_segment_sizes(folder)
    assert not (folder / "sealed.json").exists()


def test_every_listener_is_on_the_loopback() -> None:
    """Neither the broker nor the controller is reachable from another machine."""
    values = data_folder.properties(19092, 19093, {})
    assert values["listeners"] == "PLAINTEXT://127.0.0.1:19092,CONTROLLER://127.0.0.1:19093"
    assert values["advertised.listeners"] == "PLAINTEXT://127.0.0.1:19092"


def test_given_properties_replace_the_defaults(tmp_path: Path) -> None:
    """A property of the caller replaces the default in the file that Kafka reads."""
    path = data_folder.write_properties(tmp_path, data_folder.properties(1, 2, {"num.io.threads": "1"}))
    assert "num.io.threads=1\n" in path.read_text()


def test_cluster_ids_have_kafkas_form() -> None:
    """22 characters, never starting with a dash, never the same."""
    made = {data_folder.new_cluster_id() for _ in range(200)}
    assert len(made) == 200
    assert all(len(name) == 22 and name[0] != "-" for name in made)


def test_a_folder_that_cannot_be_created_is_an_error(tmp_path: Path) -> None:
    """A file with the folder's name is an error in one line."""
    (tmp_path / "kafka").write_text("a file")
    with pytest.raises(BrokerError, match="data folder of the embedded Kafka cannot be created"):
        data_folder.create(tmp_path / "kafka")
