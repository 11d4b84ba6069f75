"""The page `docs/metrics.md`: every Prometheus metric with its type, labels and meaning."""

import inspect

from prometheus_client.metrics import MetricWrapperBase

from app import metrics
from app.reference import comments, markdown

ABOUT = """\
Each process serves its metrics on `/metrics`: the API and the worker on their own ports (`BTC_API_PORT`,
`BTC_WORKER_PORT`), the others on `BTC_METRICS_PORT`. The client library adds its `process_…` and `python_…` metrics.
Names end in their unit; a stage is `features`, `predictions` or `outcomes`."""


def declared() -> dict[str, MetricWrapperBase]:
    """Return variable → metric, in the order of declaration."""
    return {name: one for name, one in vars(metrics).items() if isinstance(one, MetricWrapperBase)}


def name_of(metric: MetricWrapperBase) -> str:
    """Return the name under which a metric is scraped.

    >>> name_of(metrics.TICKS_TRADES), name_of(metrics.SKILL)
    ('btc_ticks_trades_total', 'btc_skill')
    """
    (family,) = metric.describe()
    return family.name + ("_total" if family.type == "counter" else "")


def page() -> str:
    """Return the page."""
    groups = comments.group_headings(inspect.getsource(metrics))
    parts = []
    for heading in dict.fromkeys(groups[variable] for variable in declared()):
        rows = [_row(metric) for variable, metric in declared().items() if groups[variable] == heading]
        parts.append(f"## {heading}\n\n" + markdown.table(["metric", "type", "labels", "meaning"], rows))
    return markdown.page("Metrics", ABOUT, *parts)


def _row(metric: MetricWrapperBase) -> list[str]:
    (family,) = metric.describe()
    labels = ", ".join(map(markdown.code, metric._labelnames))  # noqa: SLF001 – no public way
    return [markdown.code(name_of(metric)), family.type, labels, family.documentation]
