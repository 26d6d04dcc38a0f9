"""What comes in is decoded into structs, or refused with what is wrong with it."""

from typing import Any

import pytest
from yarl import URL

from tests.unit.workers.api.given import Body, Path, Query, operation, served
from workers.api.operation import PREFIX

OPERATIONS = (
    operation(query=Query),
    operation(name="send", method="POST", body=Body),
    operation(name="find", address="/echo/{number}", path=Path),
)


async def get(path: str) -> tuple[int, dict[str, Any]]:
    async with served(OPERATIONS) as client:
        answered = await client.get(URL(PREFIX + path, encoded=True))
        return answered.status, await answered.json(content_type=None)


async def post(body: bytes, content_type: str = "application/json") -> tuple[int, dict[str, Any]]:
    async with served(OPERATIONS) as client:
        headers = {"Content-Type": content_type}
        answered = await client.post(f"{PREFIX}/echo", data=body, headers=headers)
        return answered.status, await answered.json(content_type=None)


@pytest.mark.parametrize(
    "path", ["0", "100", "x", "1.5", "-1", "%00", "7%00", "7%2F", "%ff", "9" * 5000, "%ED%A0%80"]
)
async def test_a_path_that_cannot_exist_is_not_found(path: str) -> None:
    status, answered = await get(f"/echo/{path}")
    assert (status, answered["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("query", "decoded"),
    [
        ("", {"limit": 50, "name": None}),
        ("limit=&name=", {"limit": 50, "name": None}),
        ("limit=7&name=a%20b", {"limit": 7, "name": "a b"}),
        ("name=a+b", {"limit": 50, "name": "a b"}),
    ],
)
async def test_a_query_is_decoded(query: str, decoded: dict[str, Any]) -> None:
    status, answered = await get(f"/echo?{query}")
    assert (status, answered["query"]) == (200, decoded)


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ("limt=1", "'limt' is unknown; known are: limit, name"),
        ("limit=1&limit=2", "'limit' is given twice"),
        ("limit=0", "`limit`"),
        ("limit=x", "`limit`"),
        ("limit=" + "9" * 5000, "`limit`"),
        ("name=" + "x" * 11, "`name`"),
        ("name=%00", "NUL"),
        ("%00=1", "NUL"),
    ],
)
async def test_a_wrong_query_is_refused_with_the_field(query: str, wrong: str) -> None:
    status, answered = await get(f"/echo?{query}")
    assert (status, answered["code"]) == (400, "invalid_request")
    assert wrong in answered["detail"]


async def test_a_body_is_decoded() -> None:
    status, answered = await post(b'{"text": "\\u017c"}', "application/json; charset=utf-8")
    assert (status, answered["body"]) == (200, {"text": "ż", "more": None})


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        (b'{"text": 1}', "`text`"),
        (b'{"text": "x", "txet": 1}', "txet"),
        (b"{}", "text"),
        (b"", "is not JSON"),
        (b"{", "is not JSON"),
        (b'{"text": "\xff"}', "is not JSON"),
        (b'{"text": "\\u0000"}', "NUL"),
        (b'{"text": "\\ud800"}', ""),
        (b'{"text": "x", "more": {"a\\u0000": 1}}', "NUL"),
        (b'{"text": "x", "more": ' + b"[" * 30_000 + b"]" * 30_000 + b"}", "is not JSON"),
        (b'{"text": "x", "more": ' + b"9" * 60_000 + b"}", ""),
    ],
)
async def test_a_wrong_body_is_refused_with_the_field(body: bytes, wrong: str) -> None:
    status, answered = await post(body)
    assert (status, answered["code"]) == (400, "invalid_request")
    assert wrong in answered["detail"]


@pytest.mark.parametrize("content_type", ["text/plain", "application/xml", "x"])
async def test_a_body_has_to_be_json(content_type: str) -> None:
    status, answered = await post(b'{"text": "x"}', content_type)
    assert (status, answered["code"]) == (415, "not_json")


async def test_a_large_body_is_refused() -> None:
    status, answered = await post(b'{"text": "' + b"x" * 70_000 + b'"}')
    assert (status, answered["code"]) == (413, "body_too_large")
