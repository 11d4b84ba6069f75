"""`docs/api.md`. What enters: the OpenAPI document; what leaves: every route with its parameters and its answer."""

from typing import Any

from app.api.application import create_app
from app.api.docs import ABOUT
from app.reference import markdown
from app.settings import Settings

WHERE = """\
`btc api` serves it on port 5001. The same in full, with an example of every answer and a button to try it, is at
`/docs`; the document itself is `/openapi.json`. Whether keys are needed, and how often one may ask, say `BTC_API_KEYS`
and `BTC_API_RATE_LIMIT` ([settings](settings.md))."""
OTHERS = {
    "/": "The live page.",
    "/docs": "The OpenAPI document as a page; its scripts come from here, not from a CDN.",
    "/openapi.json": "The OpenAPI document.",
    "/healthz": "200 `ok` while the process answers: liveness.",
    "/readyz": "200 `ok` when the board is filled, else 503 with the reason: readiness.",
    "/metrics": "Prometheus metrics, see [metrics](metrics.md).",
    "/v1/stream": "WebSocket, `?symbols=BTCUSDT,ETHUSDT`: `hello`, then one `update` a second.",
}


def document() -> dict[str, Any]:
    """Return the OpenAPI document of an API with default settings."""
    return create_app(Settings.model_construct()).openapi()


def page() -> str:
    """Return the page."""
    found = document()
    routes = [
        _route(path, method, operation, found)
        for path, methods in found["paths"].items()
        for method, operation in methods.items()
    ]
    rows = [[markdown.code(path), meaning] for path, meaning in OTHERS.items()]
    return markdown.page("API", WHERE, ABOUT, *routes, "## Other doors", markdown.table(["path", "what"], rows))


def _route(path: str, method: str, operation: dict[str, Any], found: dict[str, Any]) -> str:
    parameters = [_parameter(one) for one in operation.get("parameters", [])]
    asked = markdown.table(["parameter", "type", "default", "meaning"], parameters) if parameters else ""
    shape = operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    fields = ", ".join(map(markdown.code, found["components"]["schemas"][shape]["properties"]))
    answer = f"Answer: {markdown.code(shape)} with {fields}."
    parts = [
        f"## {method.upper()} {path}",
        f"{operation['summary']}.",
        operation["description"],
        asked,
        answer,
    ]
    return "\n\n".join(part for part in parts if part)


def _parameter(parameter: dict[str, Any]) -> list[str]:
    schema = parameter["schema"]
    kinds = [one["type"] for one in schema.get("anyOf", [schema]) if one["type"] != "null"]
    default = "required" if parameter["required"] else markdown.code(str(schema.get("default", "")))
    return [markdown.code(parameter["name"]), " or ".join(kinds), default, parameter.get("description", "")]
