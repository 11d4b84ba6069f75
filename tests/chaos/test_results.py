"""Results survive a kill, belong to one commit, and become the tables of the page."""

from pathlib import Path
from typing import Any

import pytest

from benchmarks.chaos import page
from benchmarks.chaos.judge import Judgement
from benchmarks.chaos.results import CaseResult, Results
from benchmarks.chaos.timeline import Times


def result(name: str = "skip", *, judged: Judgement | None = None, **changes: Any) -> CaseResult:
    """Return the result of a run that kept the promise."""
    known: dict[str, Any] = {
        "seed": 0, "commit": "abc", "measured": "2026-11-25 17:00", "faults": ["skip share=0.05"],
        "judgement": judged or Judgement(made=300, delivered=300, seconds=20),
        "times": Times(detected_s=1.24, live_again_s=1.5, refilled_s=0.4, refilled=12), "handshakes": 2,
    }  # fmt: skip
    return CaseResult(name=name, **{**known, **changes})


def test_a_run_that_was_killed_goes_on_after_its_last_whole_line(tmp_path: Path) -> None:
    """A line that was cut off is neither read nor continued."""
    results = Results(tmp_path, "abc")
    results.add(result())
    with results.file.open("ab") as file:
        file.write(b'{"name": "burst", "se')
    results.add(result("reorder"))
    assert set(results.read()) == {"skip/0", "reorder/0"}


def test_results_of_another_commit_are_not_taken_over(tmp_path: Path) -> None:
    """A figure belongs to the code that it was measured with."""
    Results(tmp_path, "older").add(result(commit="older"))
    assert Results(tmp_path, "abc").read() == {}


def test_a_case_that_is_run_again_replaces_its_result(tmp_path: Path) -> None:
    """The newest counts."""
    results = Results(tmp_path, "abc")
    for lost in (1, 2):
        results.add(result(judged=Judgement(lost=lost)))
    assert results.read()["skip/0"].judgement.lost == 2


@pytest.mark.parametrize(
    ("judged", "row"),
    [
        (Judgement(made=300, delivered=300), "| skip | 1.2 s | 1.5 s | 0.4 s | 0 | 0 | 2 | kept |"),
        (Judgement(made=300, lost=3), "| skip | 1.2 s | 1.5 s | 0.4 s | 3 | 0 | 2 | kept |"),
        (Judgement(made=300, unnamed=2), "| skip | 1.2 s | 1.5 s | never | 0 + 2 unaccounted | 0 | 2 | broken |"),
        (Judgement(made=300, doubled=1), "| skip | 1.2 s | 1.5 s | 0.4 s | 0 | 1 | 2 | broken |"),
    ],
)  # fmt: skip
def test_a_row_says_what_a_fault_cost(judged: Judgement, row: str) -> None:
    """Times, what was lost and named, what was lost without a word."""
    assert row in page.tables([result(judged=judged)])


def test_a_run_that_was_not_judged_is_not_kept() -> None:
    """No verdict is no proof."""
    text = page.tables([result(note="not judged: the feed was not live after 90 s")])
    assert "0 of 1 runs kept the promise" in text
    assert "- skip: not judged: the feed was not live after 90 s" in text


def test_mixtures_are_summed() -> None:
    """Over all seeds; those that broke the promise are named, so that they can be run again."""
    mixed = [result("mixture", seed=1), result("mixture", seed=2, judged=Judgement(made=100, unnamed=4, early=1))]
    text = page.tables(mixed)
    assert "| trade ids owed | 400 |" in text
    assert "| lost without a word | 4 |" in text
    assert "| seconds early, missing, repeated | 1, 0, 0 |" in text
    assert "Seeds that broke it: 2. Broken among those with `skip` 1 of 2." in text


def test_a_case_at_the_start_says_when_the_first_batch_came() -> None:
    """A ban at the start must not hold it back."""
    text = page.tables([result("ban at start", first_batch_s=2.04), result("REST unreachable at start")])
    assert "| ban | 2.0 s |\n| REST unreachable | never |" in text


def test_the_tables_replace_what_is_between_the_markers(tmp_path: Path) -> None:
    """The prose around them stays; a page without markers is refused."""
    file = tmp_path / "feed.md"
    file.write_text(f"before\n{page.BEGIN}\nold\n{page.END}\nafter\n")
    results = Results(tmp_path, "abc")
    results.add(result())
    page.write(results, file)
    text = file.read_text()
    assert text.startswith("before\n")
    assert text.endswith(f"{page.END}\nafter\n")
    assert "old" not in text
    file.write_text("no markers")
    with pytest.raises(ValueError, match="needs the lines"):
        page.write(results, file)
