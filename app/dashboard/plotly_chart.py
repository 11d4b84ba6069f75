"""A Plotly chart that is updated in place.

Streamlit's own `st.plotly_chart` derives its identity from the data, so a chart that changes every second would be torn
down and built anew every second: hover, zoom and memory go with it. This component keeps one node and calls
`Plotly.react`. The script is plotly.js as shipped inside the Python package, served from here: no CDN.
"""

import base64
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import plotly
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from streamlit.components.v2 import component

from app.dashboard.charts import Figure

SCRIPTS = Path(plotly.__file__).parent / "package_data"
ROUTE = Mount("/plotly", StaticFiles(directory=SCRIPTS))
_mount = component(
    "btc_plotly",
    html='<div class="b-chart"></div>',
    js=Path(__file__).with_name("plotly_chart.js").read_text(encoding="utf-8"),
    isolate_styles=False,
)


def draw(figure: Figure, key: str) -> None:
    """Draw a figure, or update the one of the same key."""
    _mount(key=key, data={"figure": encoded(figure)})


def encoded(figure: Figure) -> str:
    """Return a figure as JSON; arrays [T] as plotly.js reads them, base64 of their bytes, so NaN is a gap.

    >>> encoded({"data": [{"y": np.array([1.0])}]})
    '{"data":[{"y":{"dtype":"f8","bdata":"AAAAAAAA8D8="}}]}'
    """
    return msgspec.json.encode(figure, enc_hook=_array).decode()


def _array(value: object) -> Any:
    if isinstance(value, np.ndarray) and value.ndim == 1 and value.dtype.kind in "fi":
        kind = "f8" if value.dtype.kind == "f" else "i4"
        return {"dtype": kind, "bdata": base64.b64encode(value.astype(f"<{kind}").tobytes()).decode()}
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise NotImplementedError(f"a figure cannot hold {type(value).__name__}")
