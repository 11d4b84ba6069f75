"""The package behind `faust -A app worker`.

Faust has the working directory on `sys.path` only while it imports `app`, so the packages of agents and tables are
imported here; they import nothing themselves. The app is built when `app.app` is first asked for.
"""

from typing import Any

import agents  # noqa: F401
import tables  # noqa: F401


def __getattr__(name: str) -> Any:
    if name == "app":
        from app.worker import app

        return app
    raise AttributeError(f"module 'app' has no attribute {name!r}")
