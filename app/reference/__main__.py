"""The command `python -m app.reference`: write the reference pages in `docs/`, or compare them with `--check`.

An incompatible schema is not written: see `compatibility`.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from app.reference import compatibility, wire
from app.reference.generated_files import generated_files

ROOT = Path(__file__).resolve().parents[2]
REMEDY = "run `python -m app.reference` and commit what it writes"


def main(arguments: Sequence[str], root: Path = ROOT) -> int:
    """Write the files under `root`, or only compare (`--check`); return the exit code, 1 after a line per error."""
    errors = [*outdated(root), *orphans(root)] if "--check" in arguments else incompatible(root)
    for line in errors:
        print(f"reference: {line}", file=sys.stderr)
    if not errors and "--check" not in arguments:
        _write(root)
    return 1 if errors else 0


def outdated(root: Path) -> list[str]:
    """Return a line for each file that is missing or differs from what the code generates."""
    names = [name for name, text in generated_files().items() if _read(root / name) != text]
    return [f"{name} differs from what the code generates: {REMEDY}" for name in names]


def orphans(root: Path) -> list[str]:
    """Return a line for each schema of a topic that no longer exists."""
    found = {path.relative_to(root).as_posix() for path in (root / wire.FOLDER).glob("*.json")}
    return [f"{name} belongs to no topic: {REMEDY}" for name in sorted(found - generated_files().keys())]


def incompatible(root: Path) -> list[str]:
    """Return a line for each change of a record that is incompatible with its committed schema."""
    return [
        f"{name}: {line}"
        for name, schema in wire.schemas().items()
        if (old := _read(root / name)) is not None
        for line in compatibility.incompatible_changes(msgspec.json.decode(old), schema)
    ]


def _write(root: Path) -> None:
    for name, text in generated_files().items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
