"""Binance's error answers."""

import json

from app.emulator.errors import TOO_MANY_REQUESTS, error_response, illegal_characters


def test_an_error_has_status_code_and_message() -> None:
    """The body holds code and message; headers are passed on."""
    response = error_response(TOO_MANY_REQUESTS, {"Retry-After": "3"})
    assert (response.status_code, response.headers["Retry-After"]) == (429, "3")
    assert json.loads(bytes(response.body))["code"] == -1003


def test_the_message_names_the_parameter_and_its_range() -> None:
    """Braces of the range are those of Binance's regular expression."""
    message = "Illegal characters found in parameter 'limit'; legal range is '^[0-9]{1,20}$'."
    assert json.loads(bytes(error_response(illegal_characters("limit")).body)) == {"code": -1100, "msg": message}
