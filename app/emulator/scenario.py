"""Scenario files: faults in YAML, checked, each error with its line, its field and what to do.

faults:
  - {fault: silence, symbols: [BTCUSDT], streams: [aggTrade], after_s: 10, seconds: 5}
"""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import yaml

from app.emulator.fault import Fault
from app.emulator.market_source import MarketSourceError

_FIELD = re.compile(r"\$\.(\w+)|^(\w+):|unknown field `(\w+)`")


def read_scenario(path: Path) -> list[Fault]:
    """Return the faults of a scenario file; raises MarketSourceError with file, line and field if it is wrong."""
    try:
        root = yaml.compose(path.read_text(encoding="utf-8"), yaml.SafeLoader)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise MarketSourceError(f"scenario {path}: cannot be read ({reason}); give a readable YAML file") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise _wrong(path, line, f"not YAML ({getattr(error, 'problem', None) or error})") from error
    return [_fault(path, node) for node in _list_of_faults(path, root)]


def _list_of_faults(path: Path, root: yaml.Node | None) -> list[yaml.Node]:
    if not isinstance(root, yaml.MappingNode):
        raise _wrong(path, 1, "write `faults:` and below it a list, each item with `fault: NAME`")
    found: yaml.Node | None = None
    for key, value in root.value:
        if key.value != "faults":
            raise _wrong(path, key.start_mark.line + 1, f"no field {key.value!r} here; the only one is `faults`")
        found = value
    if not isinstance(found, yaml.SequenceNode):
        raise _wrong(path, 1, "faults: write a list, each item with `fault: NAME`")
    return list(found.value)


def _fault(path: Path, node: yaml.Node) -> Fault:
    line = node.start_mark.line + 1
    try:
        return msgspec.convert(_plain(node), Fault)
    except (msgspec.ValidationError, yaml.YAMLError) as error:
        found = _FIELD.search(str(error))
        name = next(filter(None, found.groups()), "") if found else ""
        reason = str(error).replace("Object contains", "it contains").partition(" - at")[0]
        prefix = f"{name}: " if name and not reason.startswith(f"{name}:") else ""
        raise _wrong(path, _line_of(node, name, line), prefix + reason) from error


def _plain(node: yaml.Node) -> object:
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _line_of(node: yaml.Node, name: str, default: int) -> int:
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    return next((key.start_mark.line + 1 for key, _ in pairs if key.value == name), default)


def _wrong(path: Path, line: int, reason: str) -> MarketSourceError:
    return MarketSourceError(f"scenario {path}:{line}: {reason}; docs/exchange.md lists faults and parameters")
