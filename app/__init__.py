"""The front door: `faust -A app worker`.

Faust has the working directory on `sys.path` only while it imports `app`, so the agents and tables are imported here;
they are empty packages. `app` itself, the stream put together, is built when somebody asks for it.
"""

from typing import Any

import agents  # noqa: F401
import tables  # noqa: F401


def __getattr__(name: str) -> Any:
    if name == "app":
        from app.worker import app

        return app
    raise AttributeError(f"module 'app' has no attribute {name!r}")
