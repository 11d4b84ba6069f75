"""The page `docs/cli.md`: every `btc` command with its options and examples."""

import inspect
import typing
from collections.abc import Callable, Iterator
from typing import Any

from typer import Typer
from typer.models import ArgumentInfo, CommandInfo, ParameterInfo

from app.cli import EXAMPLES, cli
from app.cli.archive import archive_app
from app.reference import markdown

ABOUT = """\
Everything runs as `btc COMMAND`. Each command prints its part of this page with `--help`. Everything that is not an
option is read from the [settings](settings.md). An error that the user can correct is one line and exit code 1."""


def commands(app: Typer = cli, prefix: str = "btc") -> Iterator[tuple[str, CommandInfo]]:
    """Yield each command with its full name: ("btc models list", …)."""
    for command in app.registered_commands:
        function: Callable[..., Any] = _function(command)
        name = f"{prefix} {command.name or function.__name__.replace('_', '-')}"
        yield name, command
        if name == "btc archive":  # passes its arguments on to a command line of its own
            yield from commands(archive_app, name)
    for group in app.registered_groups:
        if group.typer_instance is not None:
            yield from commands(group.typer_instance, f"{prefix} {group.name}")


def page() -> str:
    """Return the page."""
    return markdown.page("Command line", ABOUT, *(_command(name, command) for name, command in commands()))


def _command(name: str, command: CommandInfo) -> str:
    rows = list(_parameters(_function(command)))
    options = markdown.table(["option", "default", "meaning"], rows) if rows else ""
    examples = str(command.epilog or "").removeprefix(EXAMPLES)
    shown = f"Examples: {examples}" if examples else ""
    parts = [f"## {name}", inspect.cleandoc(_function(command).__doc__ or ""), options, shown]
    return "\n\n".join(part for part in parts if part)


def _parameters(function: Callable[..., Any]) -> Iterator[list[str]]:
    hints = typing.get_type_hints(function, include_extras=True)
    for name, parameter in inspect.signature(function).parameters.items():
        for info in getattr(hints[name], "__metadata__", ()):
            if isinstance(info, ParameterInfo):
                yield [
                    markdown.code(_option_name(name, info)),
                    markdown.code(_default(parameter.default)),
                    info.help or "",
                ]


def _option_name(name: str, info: ParameterInfo) -> str:
    if isinstance(info, ArgumentInfo):
        return name.upper()
    declared = [one for one in (info.default, *(info.param_decls or ())) if isinstance(one, str)]
    return ", ".join(declared) or "--" + name.replace("_", "-")


def _default(value: Any) -> str:
    if value is inspect.Parameter.empty or value is None or value is False:
        return ""
    return "yes" if value is True else str(getattr(value, "value", value))


def _function(command: CommandInfo) -> Callable[..., Any]:
    if command.callback is None:
        raise TypeError(f"command {command.name} has no function")
    return command.callback
