"""The data folder of the embedded Kafka: its settings, and what counts as damage."""

from pathlib import Path

import pytest

from app.broker import folder as folders
from app.broker.reasons import BrokerError

META = "#\ncluster.id=abc\ndirectory.id=def\nnode.id=1\nversion=1\n"
SEGMENT = "00000000000000000000.log"
BATCH = bytes(16) + b"\x02" + bytes(44)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder as an orderly stop leaves it: metadata and one topic of one partition."""
    for name in ("__cluster_metadata-0", "btc.ticks-0"):
        (tmp_path / "data" / name).mkdir(parents=True)
        (tmp_path / "data" / name / SEGMENT).write_bytes(BATCH)
    (tmp_path / "data/meta.properties").write_text(META)
    (tmp_path / "data/.kafka_cleanshutdown").touch()
    folders.seal(tmp_path)
    return tmp_path


def test_a_folder_as_it_was_left_is_sound(folder: Path) -> None:
    """Nothing is wrong with what an orderly stop left, and its cluster id is read from it."""
    folders.check(folder)
    assert folders.cluster_id(folder) == "abc"


def test_an_empty_folder_is_sound(tmp_path: Path) -> None:
    """A folder that never held a Kafka is no damage."""
    folders.check(tmp_path)
    assert folders.cluster_id(tmp_path) is None


@pytest.mark.parametrize(
    "garbage", [b"", b"\xff\xfe\x00", b"cluster.id=\nnode.id=1\nversion=1", b"cluster.id=a\nnode.id=7"]
)
def test_unreadable_metadata_is_damage(folder: Path, garbage: bytes) -> None:
    """A meta.properties that Kafka did not write is told, with the folder and the way out."""
    (folder / "data/meta.properties").write_bytes(garbage)
    with pytest.raises(BrokerError, match=r"meta\.properties is unreadable in .*; remove .* to start afresh"):
        folders.check(folder)


@pytest.mark.parametrize(
    ("lost", "told"),
    [
        ("meta.properties", "meta.properties is missing"),
        (f"__cluster_metadata-0/{SEGMENT}", "the log of __cluster_metadata-0 is missing"),
        (f"btc.ticks-0/{SEGMENT}", f"btc.ticks-0/{SEGMENT} is missing"),
    ],
)
def test_a_lost_file_is_named(folder: Path, lost: str, told: str) -> None:
    """Each file Kafka cannot do without is named when it is gone."""
    (folder / "data" / lost).unlink()
    with pytest.raises(BrokerError, match=told):
        folders.check(folder)


@pytest.mark.parametrize("content", [BATCH[:30], b"x" * len(BATCH)], ids=["shorter", "overwritten"])
def test_a_changed_segment_is_named(folder: Path, content: bytes) -> None:
    """A segment with another size, or without a record batch, is told."""
    (folder / "data/btc.ticks-0" / SEGMENT).write_bytes(content)
    with pytest.raises(BrokerError, match=f"btc.ticks-0/{SEGMENT} was changed"):
        folders.check(folder)


def test_after_a_kill_only_kafka_judges_the_topics(folder: Path) -> None:
    """Without a seal a torn tail is left to Kafka's own recovery, but unreadable metadata are still told."""
    folders.unseal(folder)
    (folder / "data/btc.ticks-0" / SEGMENT).write_bytes(b"torn")
    folders.check(folder)
    (folder / "data/__cluster_metadata-0" / SEGMENT).write_bytes(b"torn")
    with pytest.raises(BrokerError, match="log of __cluster_metadata-0 is unreadable"):
        folders.check(folder)


def test_a_killed_kafka_is_not_sealed(folder: Path) -> None:
    """Only an orderly stop is sealed."""
    folders.unseal(folder)
    (folder / "data/.kafka_cleanshutdown").unlink()
    folders.seal(folder)
    assert not (folder / "sealed.json").exists()


def test_every_listener_is_on_the_loopback() -> None:
    """Neither the broker nor the controller is reachable from another machine."""
    values = folders.properties(19092, 19093, {})
    assert values["listeners"] == "PLAINTEXT://127.0.0.1:19092,CONTROLLER://127.0.0.1:19093"
    assert values["advertised.listeners"] == "PLAINTEXT://127.0.0.1:19092"


def test_more_properties_win(tmp_path: Path) -> None:
    """What the caller asks for replaces the default, in the file Kafka reads."""
    path = folders.write_properties(tmp_path, folders.properties(1, 2, {"num.io.threads": "1"}))
    assert "num.io.threads=1\n" in path.read_text()


def test_cluster_ids_have_kafkas_form() -> None:
    """22 characters, never opening with a dash, never the same."""
    made = {folders.new_cluster_id() for _ in range(200)}
    assert len(made) == 200
    assert all(len(name) == 22 and name[0] != "-" for name in made)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """A file where the folder should be is one clear line."""
    (tmp_path / "kafka").write_text("a file")
    with pytest.raises(BrokerError, match="data folder of the embedded Kafka cannot be made"):
        folders.prepare(tmp_path / "kafka")
