"""Scenario files."""

import re
from pathlib import Path

import pytest

from app.emulator import MarketSourceError, run
from app.emulator.fault import KINDS, PARAMETERS, Fault
from app.emulator.scenario import read_scenario
from tests.exchange import exchange_with, received

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "faults.yaml"


async def test_the_example_of_the_documentation_runs() -> None:
    """Every fault of docs/faults.yaml is injected, and the market can still be read."""
    faults = read_scenario(EXAMPLE)
    async with exchange_with(*faults) as exchange:
        assert [active.fault for active in exchange.faults.injected] == faults
        assert len(await received(exchange, "btcusdt@aggTrade", count=20)) == 20


def test_the_page_names_every_fault_and_parameter() -> None:
    """In docs/exchange.md, so that what is written there can be injected."""
    page = (EXAMPLE.parent / "exchange.md").read_text()
    assert sorted(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == sorted(KINDS)
    assert all(f"`{name}`" in page for names in PARAMETERS.values() for name in names)


def test_a_scenario_is_a_list_of_faults(tmp_path: Path) -> None:
    """Both notations of YAML are read; comments are allowed."""
    file = tmp_path / "faults.yaml"
    file.write_text("faults:\n  # two\n  - fault: silence\n    seconds: 5\n  - {fault: ban, after_s: 1.5}\n")
    assert read_scenario(file) == [Fault("silence", 5.0), Fault("ban", after_s=1.5)]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("faults:\n  - fault: silence\n    seconds: soon\n", ":3: seconds: Expected `float`, got `str`"),
        ("faults:\n  - fault: silence\n  - fault: ban\n    copies: 3\n", ":4: copies: ban does not take it"),
        ("faults:\n  - fault: silence\n    secs: 2\n", ":3: secs: it contains unknown field `secs`"),
        ("faults:\n\n  - fault: flood\n", ":3: no fault 'flood'; choose"),
        ("faults:\n  - seconds: 3\n", ":2: Object missing required field `fault`"),
        ("faults:\n  - silence\n", ":2: Expected `object`, got `str`"),
        ("fault: silence\n", ":1: no field 'fault' here"),
        ("faults: silence\n", ":1: faults: write a list"),
        ("", ":1: write `faults:`"),
        ("faults: [\n", ":2: not YAML"),
        ("faults:\n  - fault: damage_id\n", ":2: by: damage_id needs it"),
    ],
)
def test_an_error_has_file_line_field_and_advice(tmp_path: Path, text: str, reason: str) -> None:
    """One line: where, what, and where the faults are listed."""
    file = tmp_path / "faults.yaml"
    file.write_text(text)
    with pytest.raises(MarketSourceError) as caught:
        read_scenario(file)
    assert f"scenario {file}{reason}" in str(caught.value)
    assert str(caught.value).endswith("docs/exchange.md lists faults and parameters")
    assert "\n" not in str(caught.value)


def test_the_command_refuses_a_wrong_scenario(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 and one line, for a missing file and for a symbol that is not served."""
    file = tmp_path / "faults.yaml"
    assert run(scenario=file) == 2
    assert "cannot be read (No such file or directory)" in capsys.readouterr().err
    file.write_text("faults: [{fault: silence, symbols: [NOPE]}]")
    assert run(scenario=file) == 2
    assert "scenario: silence: symbols: 'NOPE' is not served" in capsys.readouterr().err
