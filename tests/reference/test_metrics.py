"""The page of metrics."""

import re
from pathlib import Path

from app.reference import metrics

ROOT = Path(__file__).resolve().parents[2]


def test_every_metric_is_explained() -> None:
    """The page has every metric under the name it is scraped by."""
    page = (ROOT / "docs/metrics.md").read_text(encoding="utf-8")
    assert [
        name for metric in metrics.declared().values() if f"`{(name := metrics.name_of(metric))}`" not in page
    ] == []


def test_metrics_are_declared_in_one_place() -> None:
    """All metrics are made in `app/metrics.py`, from which the page is generated."""
    making = re.compile(r"\b(Counter|Gauge|Histogram|Summary|Info|Enum)\(\s*\"btc_")
    found = [path.relative_to(ROOT).as_posix() for folder in ("app", "agents", "tables")
             for path in (ROOT / folder).rglob("*.py") if making.search(path.read_text(encoding="utf-8"))]  # fmt: skip
    assert found == ["app/metrics.py"]
    assert len({metrics.name_of(metric) for metric in metrics.declared().values()}) == len(metrics.declared())
