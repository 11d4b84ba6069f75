"""`python -m app.reference`. What enters: `--check` or nothing; what leaves: files in `docs/`, or where they drifted.

A schema that old readers or old messages would not survive is not written: see `compatibility`.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from app.reference import compatibility, wire
from app.reference.texts import texts

ROOT = Path(__file__).resolve().parents[2]
HOW = "run `python -m app.reference` and commit what it writes"


def main(arguments: Sequence[str], root: Path = ROOT) -> int:
    """Write the files under `root`, or only compare (`--check`); return the exit code, 1 with a line for each why."""
    wrong = [*drifted(root), *orphans(root)] if "--check" in arguments else broken(root)
    for line in wrong:
        print(f"reference: {line}", file=sys.stderr)
    if not wrong and "--check" not in arguments:
        _write(root)
    return 1 if wrong else 0


def drifted(root: Path) -> list[str]:
    """Return a line for each file that is missing or does not say what the code says."""
    stale = [name for name, text in texts().items() if _read(root / name) != text]
    return [f"{name} is not what the code says: {HOW}" for name in stale]


def orphans(root: Path) -> list[str]:
    """Return a line for each schema of a topic that no longer exists."""
    found = {path.relative_to(root).as_posix() for path in (root / wire.FOLDER).glob("*.json")}
    return [f"{name} belongs to no topic: {HOW}" for name in sorted(found - texts().keys())]


def broken(root: Path) -> list[str]:
    """Return a line for each way in which the records are no longer compatible with the committed schemas."""
    return [
        f"{name}: {line}"
        for name, schema in wire.schemas().items()
        if (old := _read(root / name)) is not None
        for line in compatibility.breaks(msgspec.json.decode(old), schema)
    ]


def _write(root: Path) -> None:
    for name, text in texts().items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
