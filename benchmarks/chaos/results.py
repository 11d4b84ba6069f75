"""Results of runs as JSON lines in a folder: a run that was killed goes on where it ended."""

import subprocess
from pathlib import Path

import msgspec

from benchmarks.chaos.absence import AwayResult
from benchmarks.chaos.judge import Judgement
from benchmarks.chaos.timeline import Times

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / ".btc" / "chaos"


class CaseResult(msgspec.Struct, kw_only=True):
    """One run of one case."""

    name: str
    seed: int
    commit: str
    measured: str  # day and time, UTC
    faults: list[str]
    judgement: Judgement
    times: Times
    first_batch_s: float | None = None  # from the first frame sent to the first batch in Kafka, wall
    handshakes: int = 0  # attempts from the begin of the faults to the end of the run
    requests: int = 0  # REST, the same
    rss_mb: float = 0.0  # the most memory of the collector
    took_s: float = 0.0
    note: str = ""  # what happened that the judgement does not say: the collector died, an error in its log

    @property
    def key(self) -> str:
        """Name and seed: the case among all results."""
        return f"{self.name}/{self.seed}"


class Results:
    """The results of one commit in one folder."""

    def __init__(self, folder: Path, commit: str) -> None:
        self.file, self._absence, self.commit = folder / "results.jsonl", folder / "away.json", commit

    def read(self) -> dict[str, CaseResult]:
        """Return key → newest result of this commit; a line that was cut off by a kill is left out."""
        found: dict[str, CaseResult] = {}
        lines = self.file.read_bytes().splitlines() if self.file.exists() else []
        for line in lines:
            try:
                result = msgspec.json.decode(line, type=CaseResult)
            except msgspec.MsgspecError:
                continue
            if result.commit == self.commit:
                found[result.key] = result
        return found

    def add(self, result: CaseResult) -> None:
        """Append a result; a line that was cut off before it stays alone."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        before = self.file.read_bytes() if self.file.exists() else b""
        is_cut = bool(before) and not before.endswith(b"\n")
        with self.file.open("ab") as file:
            file.write((b"\n" if is_cut else b"") + msgspec.json.encode(result) + b"\n")

    def add_absence(self, result: AwayResult) -> None:
        """Write the result of an absence; one is kept, the newest."""
        self._absence.parent.mkdir(parents=True, exist_ok=True)
        self._absence.write_bytes(msgspec.json.encode(result))

    def absence(self) -> AwayResult | None:
        """Return the newest result of an absence of this commit."""
        found = msgspec.json.decode(self._absence.read_bytes(), type=AwayResult) if self._absence.exists() else None
        return found if found and found.commit == self.commit else None


def commit_now() -> str:
    """Return the last commit of the product, with + if its files differ from it: the judge's own do not count."""
    commit = _git("log", "-1", "--format=%h", "--", "app")
    return (commit or "unknown") + ("+" if _git("status", "--porcelain", "--", "app") else "")


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
