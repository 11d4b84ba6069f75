"""The tables of docs/feed.md, written between its markers from the results of runs."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from app.reference.markdown import table
from benchmarks.chaos.absence import AwayResult
from benchmarks.chaos.cases import MIXTURE, clock_cases, singles
from benchmarks.chaos.results import ROOT, CaseResult, Results

PAGE = ROOT / "docs" / "feed.md"
BEGIN, END = "<!-- chaos-feed: begin -->", "<!-- chaos-feed: end -->"
HEAD = ("fault", "detected in", "live again in", "refilled in", "lost", "doubled", "connects", "promise")
NOTHING, NEVER, AT_START = "–", "never", " at start"


def write(results: Results, file: Path = PAGE) -> None:
    """Put the tables between the markers of the page; raises ValueError if it has none."""
    before, begin, rest = file.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{file} needs the lines {BEGIN} and {END}")
    text = tables(list(results.read().values()), results.absence())
    file.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")


def tables(results: Sequence[CaseResult], absence: AwayResult | None = None) -> str:
    """Return everything between the markers."""
    alone = sorted((one for one in results if one.name != MIXTURE), key=_place)
    mixed = sorted((one for one in results if one.name == MIXTURE), key=lambda one: one.seed)
    parts = [_about(results), table(HEAD, [_row(one) for one in alone])]
    if broken := [one for one in alone if _reason(one)]:
        parts.append("Promises broken:\n\n" + "\n".join(f"- {one.name}: {_reason(one)}" for one in broken))
    if started := [one for one in alone if one.name.endswith(AT_START)]:
        parts.append(table(("begun with", "first batch after the first frame"), [_start_row(one) for one in started]))
    if mixed:
        parts += ["### Mixtures", _mixtures(mixed)]
    if absence:
        parts += ["### Away", _absence(absence)]
    return "\n\n".join(parts)


def _place(result: CaseResult) -> int:
    names = [case.name for case in (*singles(), *clock_cases())]
    return names.index(result.name) if result.name in names else len(names)


def _about(results: Sequence[CaseResult]) -> str:
    commits = ", ".join(sorted({f"`{one.commit}`" for one in results}))
    days = sorted({one.measured[:10] for one in results if one.measured})
    kept = sum(not _reason(one) for one in results)
    return (
        f"`make chaos-feed`, {days[0] if days else 'never'}, commit {commits}: {kept} of {len(results)} runs kept "
        "the promise."
    )


def _row(result: CaseResult) -> tuple[str, ...]:
    times, judged = result.times, result.judgement
    missing = judged.unnamed + judged.open
    refilled = NEVER if missing else NOTHING if not times.refilled else _seconds(times.refilled_s)
    lost = f"{judged.lost:,}" + (f" + {missing:,} unaccounted" if missing else "")
    return (
        result.name, _seconds(times.detected_s, NOTHING), _seconds(times.live_again_s, NEVER), refilled, lost,
        f"{judged.doubled:,}", f"{result.handshakes:,}", "broken" if _reason(result) else "kept",
    )  # fmt: skip


def _start_row(result: CaseResult) -> tuple[str, ...]:
    return result.name.removesuffix(AT_START), _seconds(result.first_batch_s, NEVER)


def _seconds(value: float | None, otherwise: str = NOTHING) -> str:
    return otherwise if value is None else f"{value:.1f} s"


def _reason(result: CaseResult) -> str:
    """Return why a run broke the promise, or ""."""
    judged = result.judgement
    reasons = [*judged.violations, *([f"{judged.open} still open"] if judged.open else [])]
    return ", ".join([*reasons, *([result.note] if result.note.startswith(("not judged", "exit code")) else [])])


def _mixtures(results: Sequence[CaseResult]) -> str:
    total = {
        name: sum(getattr(one.judgement, name) for one in results)
        for name in ("made", "lost", "open", "unnamed", "doubled", "unknown", "misnamed", "outages", "seconds",
                     "early", "missing", "repeated")
    }  # fmt: skip
    broken = [one for one in results if _reason(one)]
    live = [one.times.live_again_s for one in results if one.times.live_again_s is not None]
    rows = [
        ("runs", f"{len(results):,}"), ("runs that kept the promise", f"{len(results) - len(broken):,}"),
        ("trade ids owed", f"{total['made']:,}"), ("lost, named in the ledger", f"{total['lost']:,}"),
        ("still open in the ledger", f"{total['open']:,}"), ("lost without a word", f"{total['unnamed']:,}"),
        ("doubled", f"{total['doubled']:,}"), ("unknown ids delivered", f"{total['unknown']:,}"),
        ("delivered and named as missing", f"{total['misnamed']:,}"),
        ("quote outages without a word", f"{total['outages']:,}"), ("seconds owed", f"{total['seconds']:,}"),
        ("seconds early, missing, repeated", f"{total['early']:,}, {total['missing']:,}, {total['repeated']:,}"),
        ("live again in, median and 99 %", _median(live)),
    ]  # fmt: skip
    text = table(("200 seeds" if len(results) == 200 else f"{len(results)} seeds", "sum"), rows)
    if not broken:
        return text
    seeds = ", ".join(str(one.seed) for one in broken[:40])
    return f"{text}\n\nSeeds that broke it: {seeds}. {_suspects(results)}"


def _suspects(results: Sequence[CaseResult]) -> str:
    """Return, of the mixtures with each fault, how many broke the promise, the worst first."""
    share: dict[str, list[bool]] = {}
    for one in results:
        for kind in {fault.partition(" ")[0] for fault in one.faults}:
            share.setdefault(kind, []).append(bool(_reason(one)))
    worst = sorted(share.items(), key=lambda item: -sum(item[1]) / len(item[1]))
    return "Broken among those with " + ", ".join(f"`{kind}` {sum(all_)} of {len(all_)}" for kind, all_ in worst) + "."


def _median(values: Sequence[float]) -> str:
    if not values:
        return NOTHING
    middle, high = np.percentile(values, (50, 99)).tolist()
    return f"{middle:.1f} s, {high:.1f} s"


def _absence(result: AwayResult) -> str:
    rows = [
        ("live again after", _seconds(result.live_after_s, NEVER)),
        ("ledger empty after", _seconds(result.empty_after_s, NEVER)),
        ("ids missed, delivered", f"{result.ids:,}, {result.delivered:,}"),
        ("lost, open, without a word", f"{result.lost:,}, {result.open:,}, {result.unnamed:,}"),
        ("doubled", f"{result.doubled:,}"),
        ("live lag meanwhile, 99 % and most", f"{result.lag_p99_s:.2f} s, {result.lag_most_s:.2f} s"),
        ("memory, most", f"{result.rss_most_mb:.0f} MiB"),
        ("memory over time", ", ".join(f"{mb:.0f}" for mb in result.rss_mb) + " MiB"),
    ]
    return table((f"{result.hours:g} h, {result.symbols} symbols", "measured"), rows)
