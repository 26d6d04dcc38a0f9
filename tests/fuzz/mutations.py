"""Makes inputs wrong: bytes, JSON and texts, by a given generator of random numbers."""

import json
from random import Random
from typing import Any

TOKENS = (
    b"\\u0000",
    b"\\ud800",
    b"\\udc00\\ud800",
    b"\x00",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    b'"',
    b"\\",
    b"{",
    b"}",
    b"[" * 40,
    b"[" * 3000,
    b'{"a":' * 1500,
    b",",
    b"null",
    b"true",
    b"NaN",
    b"-0",
    b"1e999",
    b"9" * 30,
    b"9" * 5000,
    b"-9223372036854775809",
    b'"data":',
    b'"specversion":"1.0",',
    b"%00",
    b"%ED%A0%80",
    b"%",
    b"&",
    b"&&=",
    b"=",
    b"+",
    b"\r\n",
    "\u202e\ufdfa\U0001f9d1".encode(),
)

TEXTS = (
    "",
    " ",
    "\0",
    "a\0b",
    "\n",
    "null",
    "x" * 65,
    "x" * 300,
    "é" * 2000,
    "\ud800",
    "\u202e",
    "\U0001f9d1\u200d\U0001f4bb",
    "' OR 1=1 --",
    "'; DROP TABLE inbox.messages; --",
    "<script>alert(1)</script>",
    "${jndi:ldap://x}",
    "../../etc/passwd",
    "%s%n{0}",
    "2026-01-01T00:00:00Z",
    "2026-01-01T00:00:00",
    "2026-02-30T00:00:00Z",
    "2016-12-31T23:59:60Z",
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59.999999999-23:59",
    "1969-12-31T23:59:59Z",
    "2026-01-01T24:00:00Z",
    "2026-01-01 00:00:00Z",
    "6f1d2c1e-5b0a-5a7e-9c58-2f1b7b0f6a11",
    "6F1D2C1E5B0A5A7E9C582F1B7B0F6A11",
    "{6f1d2c1e-5b0a-5a7e-9c58-2f1b7b0f6a11}",
    "inbox.message.received.v1",
    "1.0",
    "acme",
    "acme\n",
    "whatsapp:+4911",
    "https://files.example/x.jpg",
    "javascript:alert(1)",
    "image/jpeg",
    "open",
    "deal",
)

VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    2**31,
    2**63,
    -(2**63) - 1,
    10**40,
    0.5,
    1e308,
    float("inf"),
    float("nan"),
    [],
    {},
    [[]],
    [None],
    {"": {}},
    {"type": "deal", "id": "d1"},
)


def text(random: Random) -> str:
    """Returns a text that is likely to make trouble."""
    if random.random() < 0.8:
        return random.choice(TEXTS)
    return "".join(chr(random.choice((31, 127, 0xD7FF, 0x10FFFF))) for _ in range(4))


def value(random: Random, depth: int = 3) -> Any:
    """Returns any JSON value, and sometimes a value that JSON does not have."""
    kind = random.random()
    if kind < 0.45:
        return random.choice(VALUES)
    if kind < 0.85 or not depth:
        return text(random)
    if kind < 0.93:
        return [value(random, depth - 1) for _ in range(random.randrange(4))]
    return {text(random): value(random, depth - 1) for _ in range(random.randrange(4))}


def changed_json(random: Random, document: Any) -> Any:
    """Returns a copy of a document in which something is changed, removed or added."""
    if not isinstance(document, dict | list) or not document or random.random() < 0.15:
        return value(random)
    if isinstance(document, list):
        place = random.randrange(len(document))
        return [*document[:place], changed_json(random, document[place]), *document[place + 1 :]]
    name = random.choice(list(document))
    copy = dict(document)
    how = random.random()
    if how < 0.15:
        del copy[name]
    elif how < 0.25:
        copy[text(random)] = copy[name]
    else:
        copy[name] = changed_json(random, document[name])
    return copy


def to_json(document: Any) -> bytes:
    """Encode a document, lone surrogates and infinite numbers included."""
    return json.dumps(document).encode()


def changed_bytes(random: Random, given: bytes, times: int = 3) -> bytes:
    """Returns bytes of which some are changed, removed or doubled, or with a token of TOKENS."""
    for _ in range(random.randrange(1, times + 1)):
        start = random.randrange(len(given) + 1)
        end = min(len(given), start + random.randrange(1, 24))
        how = random.randrange(6)
        if how == 0:
            given = given[:start] + random.choice(TOKENS) + given[start:]
        elif how == 1:
            given = given[:start] + random.choice(TOKENS) + given[end:]
        elif how == 2:
            given = given[:start] + given[end:]
        elif how == 3:
            given = given[:end] + given[start:]
        elif how == 4:
            given = given[:start] + random.randbytes(random.randrange(1, 5)) + given[end:]
        elif random.random() < 0.2:
            given = given[:start]
    return given
