"""Payloads as text: a preview for lists, the full text for a message's own page."""

import json

PREVIEW_CHARACTERS = 240
FULL_CHARACTERS = 256 * 1024


def preview(payload: bytes | None, limit: int) -> str:
    r"""Return a payload as text of at most `limit` characters: JSON as it is, other text, or hexadecimal.

    >>> preview(b'{"a": 1}', 240), preview(b"\xff\x00", 240), preview(None, 240)
    ('{"a": 1}', 'ff 00', 'null')
    """
    if payload is None:
        return "null"
    head = payload[: limit * 4]
    try:
        text = head.decode() if len(head) == len(payload) else head.decode(errors="ignore")
    except UnicodeDecodeError:
        text = head[: limit // 3].hex(" ")
    return text if len(text) <= limit else text[: limit - 1] + "…"


def full_text(payload: bytes | None) -> str:
    r"""Return a payload for its own page: JSON indented where it is small enough.

    >>> full_text(b'{"a":1}')
    '{\n  "a": 1\n}'
    """
    if payload is not None and len(payload) <= FULL_CHARACTERS:
        try:
            return json.dumps(json.loads(payload), indent=2, ensure_ascii=False)
        except ValueError:
            pass  # not JSON: shown as it is
    return preview(payload, FULL_CHARACTERS)
