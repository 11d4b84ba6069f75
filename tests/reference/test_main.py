"""The command that writes and compares the generated files."""

from pathlib import Path

import pytest

from app.reference import __main__ as reference
from app.reference import wire

ROOT = Path(__file__).resolve().parents[2]


def test_the_committed_files_are_up_to_date() -> None:
    """If this fails, run `python -m app.reference`."""
    assert reference.outdated(ROOT) == []
    assert reference.orphans(ROOT) == []


def test_outdated_files_are_named_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--check` fails with the file's name and what to do; without it the files are written, and it passes."""
    assert reference.main(["--check"], tmp_path) == 1
    assert (
        "docs/settings.md differs from what the code generates: run `python -m app.reference`"
        in capsys.readouterr().err
    )
    assert reference.main([], tmp_path) == 0
    assert reference.main(["--check"], tmp_path) == 0
    (tmp_path / wire.FOLDER / "gone.json").write_text("{}")
    assert reference.main(["--check"], tmp_path) == 1
    assert "gone.json belongs to no topic" in capsys.readouterr().err


def test_an_incompatible_schema_is_not_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The committed schema stays as it is, and the field is named."""
    assert reference.main([], tmp_path) == 0
    schema = tmp_path / wire.FOLDER / "ticks.json"
    before = schema.read_text().replace('"closed_ms": {', '"venue": {"type": "string"}, "closed_ms": {')
    schema.write_text(before)
    assert reference.main([], tmp_path) == 1
    assert "ticks.json: venue: the field was removed" in capsys.readouterr().err
    assert schema.read_text() == before


def test_the_records_are_compatible_with_the_committed_schemas() -> None:
    """Old readers and old messages work with the records of this checkout."""
    assert reference.incompatible(ROOT) == []
