"""Commands about this machine. What enters: settings; what leaves: one line per finding, and an exit code."""

import typer

from app.cli.shared import EXAMPLES, cli, console, settings


@cli.command(epilog=EXAMPLES + "`btc doctor`")
def doctor() -> None:
    """Check this machine and the running doors; say what to do about what is wrong."""
    from app.cli.doctor_checks import examine

    wrong = 0
    for finding in examine(settings()):
        wrong += finding.needed and not finding.ok
        mark = "[green]✔[/]" if finding.ok else "[red]✘[/]" if finding.needed else "[yellow]![/]"
        console.print(f"{mark} {finding.what}" + ("" if finding.ok or not finding.advice else f" → {finding.advice}"))
    raise typer.Exit(1 if wrong else 0)


@cli.command(epilog=EXAMPLES + "`btc health` · `BTC_METRICS_PORT=9101 btc health`")
def health() -> None:
    """Ask whatever of ours listens on this machine whether it is well; nothing listening is not well."""
    from app.cli.health_check import health_reasons

    found = health_reasons(settings())
    for name, trouble in found.items():
        console.print(f"{name}: {trouble or 'well'}")
    if not found:
        console.print("nothing of ours listens here")
    raise typer.Exit(1 if not found or any(found.values()) else 0)
