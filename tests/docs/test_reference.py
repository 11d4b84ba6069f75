"""The pages say what the code says, all of it."""

import re
from pathlib import Path

import pytest

from app.api.application import ROUTES
from app.domain import bars, features
from app.kafka import topics
from app.reference import __main__ as reference
from app.reference import api, commands, metrics, wire
from app.reference.texts import texts
from app.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"


def read(name: str) -> str:
    """Return a page as committed."""
    return (DOCS / name).read_text(encoding="utf-8")


def test_the_committed_pages_are_what_the_code_says() -> None:
    """Nothing has drifted; `python -m app.reference` mends it."""
    assert reference.drifted(ROOT) == []
    assert reference.orphans(ROOT) == []


def test_every_setting_is_explained() -> None:
    """Each variable stands on the page with its description."""
    page = read("settings.md")
    missing = [name for name, field in Settings.model_fields.items()
               if f"| `BTC_{name.upper()}` |" not in page or (field.description or "?") not in page]  # fmt: skip
    assert missing == []


def test_no_page_depends_on_the_settings_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two machines write the same bytes, whatever variables they have set."""
    monkeypatch.setenv("BTC_TOPIC_PREFIX", "elsewhere")
    monkeypatch.setenv("BTC_PARTITIONS", "3")
    monkeypatch.setenv("BTC_API_KEYS", "k")
    texts.cache_clear()
    assert reference.drifted(ROOT) == []


def test_every_metric_is_explained() -> None:
    """Each metric stands on the page under the name it is scraped by."""
    page = read("metrics.md")
    assert [
        name for metric in metrics.declared().values() if f"`{(name := metrics.name_of(metric))}`" not in page
    ] == []


def test_metrics_are_declared_in_one_place() -> None:
    """No other module makes one, or the page would not know it."""
    making = re.compile(r"\b(Counter|Gauge|Histogram|Summary|Info|Enum)\(\s*\"btc_")
    found = [path.relative_to(ROOT).as_posix() for folder in ("app", "agents", "tables")
             for path in (ROOT / folder).rglob("*.py") if making.search(path.read_text(encoding="utf-8"))]  # fmt: skip
    assert found == ["app/metrics.py"]
    assert len({metrics.name_of(metric) for metric in metrics.declared().values()}) == len(metrics.declared())


def test_every_feature_and_channel_is_explained() -> None:
    """Each feature has a formula and a source, each channel of a bar its row."""
    page, _, second = read("features.md").partition("\n## ")
    rows = {row.split("|")[1].strip(" `"): row.split("|") for row in page.splitlines() if row.startswith("| `")}
    assert list(rows) == list(features.NAMES)
    assert [name for name in features.NAMES if not rows[name][2].strip() or not rows[name][3].strip()] == []
    assert [channel for channel in bars.CHANNELS if f"| `{channel}` |" not in second] == []


def test_every_route_is_explained() -> None:
    """Each path the API answers stands on the page, the WebSocket too."""
    page = read("api.md")
    documented = {f"## GET {path}" for path in api.document()["paths"]} | {f"| `{path}` |" for path in api.OTHERS}
    assert [line for line in sorted(documented) if line not in page] == []
    assert set(ROUTES) <= set(api.document()["paths"]) | set(api.OTHERS)


def test_every_command_is_explained_and_shown() -> None:
    """Each command stands on the page with its options, and each but the archive's own has an example."""
    page = read("cli.md")
    for name, command in commands.commands():
        section = page.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
        assert section.strip(), name
        assert name.startswith("btc archive ") or f"`{name}" in section.partition("Examples: ")[2], name
        assert command.callback is not None


def test_every_topic_says_who_writes_and_reads_it() -> None:
    """A topic without its ways would be a spec without doors; a topic of the walk has one writer."""
    assert set(wire.WAYS) == {spec.name for spec in topics.ALL}
    assert [c.name for c in topics.ALL if c.partitioned and len(wire.WAYS[c.name][0]) != 1] == []


def test_drift_is_named_and_mended(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--check` fails with the file's name and what to do; without it the files are written, and it passes."""
    assert reference.main(["--check"], tmp_path) == 1
    assert "docs/settings.md is not what the code says: run `python -m app.reference`" in capsys.readouterr().err
    assert reference.main([], tmp_path) == 0
    assert reference.main(["--check"], tmp_path) == 0
    (tmp_path / wire.FOLDER / "gone.json").write_text("{}")
    assert reference.main(["--check"], tmp_path) == 1
    assert "gone.json belongs to no topic" in capsys.readouterr().err


def test_an_incompatible_schema_is_not_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The committed schema stays as it is, and the field at fault is named."""
    assert reference.main([], tmp_path) == 0
    schema = tmp_path / wire.FOLDER / "ticks.json"
    before = schema.read_text().replace('"closed_ms": {', '"venue": {"type": "string"}, "closed_ms": {')
    schema.write_text(before)
    assert reference.main([], tmp_path) == 1
    assert "ticks.json: venue: the field was removed" in capsys.readouterr().err
    assert schema.read_text() == before
