"""Commands about this machine: `btc doctor` and `btc health`."""

import typer

from app.cli.typer_app import EXAMPLES, cli, console, settings, silence_kafka_client


@cli.command(epilog=EXAMPLES + "`btc doctor`")
def doctor() -> None:
    """Check this machine, its ports and the running processes; print what to do about each problem."""
    from app.cli.doctor_checks import findings

    silence_kafka_client()
    failed = 0
    for finding in findings(settings()):
        failed += finding.required and not finding.ok
        mark = "[green]✔[/]" if finding.ok else "[red]✘[/]" if finding.required else "[yellow]![/]"
        console.print(f"{mark} {finding.what}" + ("" if finding.ok or not finding.advice else f" → {finding.advice}"))
    raise typer.Exit(1 if failed else 0)


@cli.command(epilog=EXAMPLES + "`btc health` · `BTC_METRICS_PORT=9101 btc health`")
def health() -> None:
    """Check the health pages that listen on this machine; fails if one is unhealthy or none listens."""
    from app.cli.pages import health_reasons

    reasons = health_reasons(settings())
    for name, reason in reasons.items():
        console.print(f"{name}: {reason or 'healthy'}")
    if not reasons:
        console.print("no health page listens on this machine")
    raise typer.Exit(1 if not reasons or any(reasons.values()) else 0)
