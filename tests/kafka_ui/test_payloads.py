"""Payloads as text."""

from app.kafka_ui.payloads import full_text, preview


def test_payloads_are_shown_as_what_they_are() -> None:
    """JSON, text, bytes, nothing; long ones are cut."""
    assert preview("é".encode() * 300, 10) == "é" * 9 + "…"
    assert preview(b"\xff\xfe", 10) == "ff fe"
    assert full_text(b"not json") == "not json"
    assert full_text(b'{"b":[1]}') == '{\n  "b": [\n    1\n  ]\n}'
    assert len(full_text(b"[" * 2_000_000)) <= 256 * 1024
