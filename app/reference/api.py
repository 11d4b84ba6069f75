"""The page `docs/api.md`: every route of the API with its parameters and its answer."""

from typing import Any

from app.api.application import create_app
from app.api.docs import ABOUT
from app.reference import markdown
from app.settings import Settings

ACCESS = """\
`btc api` serves it on port 5001. `/docs` shows the same with an example of every answer and a button to try it; the
document itself is `/openapi.json`. `BTC_API_KEYS` and `BTC_API_RATE_LIMIT` ([settings](settings.md)) set whether keys
are needed and how many requests are allowed."""
OTHER_ROUTES = {
    "/": "The live page.",
    "/docs": "The OpenAPI document as a page; its scripts are served by the API, not by a CDN.",
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
    openapi = document()
    routes = [
        _route(path, method, operation, openapi)
        for path, methods in openapi["paths"].items()
        for method, operation in methods.items()
    ]
    rows = [[markdown.code(path), meaning] for path, meaning in OTHER_ROUTES.items()]
    return markdown.page("API", ACCESS, ABOUT, *routes, "## Other routes", markdown.table(["path", "answer"], rows))


def _route(path: str, method: str, operation: dict[str, Any], openapi: dict[str, Any]) -> str:
    parameters = [_parameter(one) for one in operation.get("parameters", [])]
    inputs = markdown.table(["parameter", "type", "default", "meaning"], parameters) if parameters else ""
    schema = operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    fields = ", ".join(map(markdown.code, openapi["components"]["schemas"][schema]["properties"]))
    answer = f"Answer: {markdown.code(schema)} with {fields}."
    parts = [
        f"## {method.upper()} {path}",
        f"{operation['summary']}.",
        operation["description"],
        inputs,
        answer,
    ]
    return "\n\n".join(part for part in parts if part)


def _parameter(parameter: dict[str, Any]) -> list[str]:
    schema = parameter["schema"]
    kinds = [one["type"] for one in schema.get("anyOf", [schema]) if one["type"] != "null"]
    default = "required" if parameter["required"] else markdown.code(str(schema.get("default", "")))
    return [markdown.code(parameter["name"]), " or ".join(kinds), default, parameter.get("description", "")]
