"""Sources of ticks as named at the prompt: live, synthetic or a replay, each with a folder of its own.

Ids, times and state of one source mean nothing to another, so each keeps Kafka, RocksDB and archive apart; an
unattended run gets a fresh folder.
"""

import re
import time
from dataclasses import dataclass
from pathlib import Path

import httpx

ROOT = Path(".btc")
DEFAULT_SEED = 7


class TickSourceError(ValueError):
    """A source that cannot be used: what, where and what to do."""


@dataclass(frozen=True)
class TickSource:
    """One origin of ticks.

    >>> parse("synthetic:7")
    TickSource(kind='synthetic', name='synthetic-7', seed=7, files=())
    """

    kind: str  # live, synthetic, replay
    name: str
    seed: int = 0
    files: tuple[Path, ...] = ()

    @property
    def emulated(self) -> bool:
        """Whether `btc exchange` has to run for it."""
        return self.kind != "live"

    def arguments(self) -> list[str]:
        """Return what `btc exchange` needs to serve it."""
        if self.kind == "synthetic":
            return ["--synthetic", str(self.seed)]
        return [argument for file in self.files for argument in ("--replay", str(file))]

    def folder(self, *, fresh: bool) -> Path:
        """Return the folder of its state; `fresh` adds the time, so that nothing of an earlier run is there."""
        return ROOT / "runs" / f"{self.name}-{time.strftime('%Y%m%d-%H%M%S')}" if fresh else ROOT / self.name


def parse(text: str) -> TickSource:
    """Return the source a person named: live, synthetic, synthetic:SEED or replay:FILE[,FILE…].

    Raises:
        TickSourceError: the text is none of these, or a file is not there.

    """
    kind, _, rest = text.partition(":")
    if kind == "live" and not rest:
        return TickSource("live", "live")
    if kind == "synthetic" and (not rest or rest.isdigit()):
        seed = int(rest or DEFAULT_SEED)
        return TickSource("synthetic", f"synthetic-{seed}", seed=seed)
    if kind == "replay" and rest:
        files = tuple(Path(name) for name in rest.split(","))
        for file in files:
            if not file.is_file():
                raise TickSourceError(f"recording {file} is not there: give the path of a .dat.gz or .ws.txt file")
        stem = re.sub(r"[^a-z0-9]+", "-", files[0].name.lower().split(".")[0]).strip("-")
        return TickSource("replay", f"replay-{stem}", files=files)
    raise TickSourceError(f"exchange {text!r} is not known: use live, synthetic, synthetic:SEED or replay:FILE")


def unreachable_reason(rest_url: str, timeout_s: float = 4.0) -> str:
    """Return "" if the live exchange answers a ping, otherwise the reason in a few words."""
    try:
        answer = httpx.get(f"{rest_url}/api/v3/ping", timeout=timeout_s)
    except httpx.HTTPError as error:
        return str(error) or type(error).__name__
    return "" if answer.status_code == httpx.codes.OK else f"HTTP {answer.status_code}"
