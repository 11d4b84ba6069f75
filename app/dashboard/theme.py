"""The dashboard's look: Streamlit's options, colours, one style sheet.

Colours are Okabe & Ito's colour-blind-safe palette (jfly.uni-koeln.de/color), shifted to read on white and on black.
"""

import logging
from pathlib import Path
from typing import Any

from app.settings import Settings

BLUE = "#3b82c4"
ORANGE = "#d98a00"
GREEN = "#0f9d78"
RED = "#d55e00"  # vermilion
PURPLE = "#b0669a"
SKY = "#4fb0e0"
GREY = "#8a8f98"
OF_KIND = {"tensorflow": BLUE, "ridge": ORANGE, "naive": GREY}
SERIES = (BLUE, ORANGE, GREEN, PURPLE, RED, SKY, GREY, "#a0892c", "#5b6ee1", "#6b8e23")

LIGHT = {"primaryColor": "#1f6fb2", "backgroundColor": "#ffffff", "secondaryBackgroundColor": "#f4f6f8",
         "textColor": "#1a1f26", "borderColor": "#dfe3e8"}  # fmt: skip
DARK = {"primaryColor": "#6ab0ea", "backgroundColor": "#0f1318", "secondaryBackgroundColor": "#181e25",
        "textColor": "#e6e9ed", "borderColor": "#2b333d"}  # fmt: skip


def options(settings: Settings) -> dict[str, Any]:
    """Return Streamlit's options; no configuration file is read or written."""
    return {
        "server.headless": True,
        "server.address": settings.host,
        "server.port": settings.dashboard_port,
        "server.fileWatcherType": "none",
        "server.runOnSave": False,
        "server.disconnectedSessionTTL": 30,
        "browser.gatherUsageStats": False,
        "browser.serverPort": settings.dashboard_port,
        "client.toolbarMode": "minimal",
        "client.showErrorDetails": "none",
        "logger.level": logging.getLevelName(logging.WARNING).lower(),
        "theme.baseRadius": "0.5rem",
        **{f"theme.light.{name}": value for name, value in LIGHT.items()},
        **{f"theme.dark.{name}": value for name, value in DARK.items()},
    }


def faded(colour: str, opacity: float) -> str:
    """Return a colour as rgba.

    >>> faded("#3b82c4", 0.2)
    'rgba(59,130,196,0.2)'
    """
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity:g})"


STYLE = f"<style>{Path(__file__).with_suffix('.css').read_text(encoding='utf-8')}</style>"
