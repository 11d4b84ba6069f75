"""The API: REST, WebSocket, documentation and a live page over one board."""

from app.api.application import create_app
from app.api.server import run

__all__ = ["create_app", "run"]
