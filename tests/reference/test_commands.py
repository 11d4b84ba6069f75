"""The page of the command line."""

from pathlib import Path

from app.reference import commands

ROOT = Path(__file__).resolve().parents[2]


def test_every_command_is_explained_and_shown() -> None:
    """The page has every command, and an example of each but the archive's own."""
    page = (ROOT / "docs/cli.md").read_text(encoding="utf-8")
    for name, command in commands.commands():
        section = page.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
        assert section.strip(), name
        assert name.startswith("btc archive ") or f"`{name}" in section.partition("Examples: ")[2], name
        assert command.callback is not None
