"""What comes in is decoded into structs, or refused with what is wrong with it."""

import asyncio
import zlib
from typing import Any

import msgspec
import pytest
from yarl import URL

from tests.unit.workers.api.given import Body, Client, Path, Query, operation, served
from workers.api import decoding
from workers.api.operation import PREFIX


class NothingNeeded(msgspec.Struct, forbid_unknown_fields=True):
    expected_version: int | None = None


OPERATIONS = (
    operation(name="close", method="POST", address="/close", body=NothingNeeded),
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
        ("limit=1&limit=2", "`limit` is given twice"),
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
        (b'{"text": "x", "more": {"a\\u0000": 1}}', "at `more`"),
        (b'{"text": "x", "more": [1, {"a": "\\u0000"}]}', "at `more[1].a`"),
        (b'{"text": "x", "text": "y"}', "`text` is given twice"),
        (b'{"text": "x", "more": {"a": 1, "b": 2, "a": 1}}', "`more.a` is given twice"),
        (b'{"text": "x", "\\ud800": 1}', ""),
        (b'{"text": "x", "more": NaN}', "is not JSON"),
        (b'{"text": "x", "more": 1e999}', ""),
        (b'\xef\xbb\xbf{"text": "x"}', "is not JSON"),
        ('{"text": "x"}'.encode("utf-16"), "is not JSON"),
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


async def test_a_post_whose_body_needs_no_field_may_come_without_one() -> None:
    ways: list[dict[str, Any]] = [{}, {"headers": {"Content-Type": "text/plain"}}, {"json": {}}]
    async with served(OPERATIONS) as client:
        for given in ways:
            answered = await client.post(f"{PREFIX}/close", **given)
            assert (await answered.json())["body"] == {"expected_version": None}
        answered = await client.post(f"{PREFIX}/close", data=b"x")
        assert answered.status == 415
        answered = await client.post(f"{PREFIX}/echo")
        assert answered.status == 415


async def test_a_large_body_is_refused() -> None:
    status, answered = await post(b'{"text": "' + b"x" * 70_000 + b'"}')
    assert (status, answered["code"]) == (413, "body_too_large")


async def test_what_is_wrong_is_said_in_few_words() -> None:
    name = "n" * 30_000
    for body in (f'{{"{name}": 1}}', f'{{"text": "x", "more": {{"{name}": ["a\\u0000"]}}}}'):
        status, answered = await post(body.encode())
        assert (status, answered["code"]) == (400, "invalid_request")
        assert len(answered["detail"]) <= decoding.DETAIL_CHARACTERS_MAX


async def raw(client: Client, head: str, body: bytes = b"") -> tuple[int, str | None]:
    """Send bytes as they are, and return the status and the code of what is answered."""
    reader, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(head.replace("\n", "\r\n").encode("latin-1") + b"Host: x\r\n\r\n" + body)
    try:
        answered = await reader.readuntil(b"\r\n\r\n")
        code = None
        if b"problem+json" in answered:
            code = msgspec.json.decode(await reader.readuntil(b"}"))["code"]
        return int(answered.split()[1]), code
    finally:
        writer.close()


POST = f"POST {PREFIX}/echo HTTP/1.1\nContent-Type: application/json\n"


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ("Transfer-Encoding: chunked\n", b"x\r\n{}\r\n0\r\n\r\n"),
        ("Content-Encoding: gzip\nContent-Length: 2\n", b"{}"),
        ("Content-Encoding: deflate\nContent-Length: 2\n", b"{}"),
        ("Content-Encoding: unknown\nContent-Length: 3\n", b"abc"),
    ],
)
async def test_a_body_that_is_not_what_its_headers_say_is_refused(
    headers: str, body: bytes
) -> None:
    async with served(OPERATIONS) as client:
        status, _ = await raw(client, POST + headers, body)
        assert status == 400


async def test_a_body_may_come_in_chunks_up_to_the_limit() -> None:
    small = b'd\r\n{"text": "x"}\r\n0\r\n\r\n'
    large = b"4000\r\n" + b" " * 0x4000 + b"\r\n"
    bomb = zlib.compress(b'{"text": "' + b"x" * 10_000_000 + b'"}')
    async with served(OPERATIONS) as client:
        chunked = f"{POST}Transfer-Encoding: chunked\n"
        assert await raw(client, chunked, small) == (200, None)
        assert await raw(client, chunked, large * 5) == (413, "body_too_large")
        length = f"Content-Encoding: deflate\nContent-Length: {len(bomb)}\n"
        assert await raw(client, POST + length, bomb) == (413, "body_too_large")
        assert await raw(client, f"{POST}Content-Length: 99999999\n") == (413, "body_too_large")


async def test_a_body_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "BODY_SECONDS", 0.01)
    async with served(OPERATIONS) as client:
        assert await raw(client, f"{POST}Content-Length: 5\n", b"{") == (408, "body_too_slow")


@pytest.mark.parametrize("target", ["/echo/\xff", "/echo?name=\xff", "/echo?\xed\xa0\x80=1"])
async def test_bytes_that_are_no_utf_8_are_refused(target: str) -> None:
    async with served(OPERATIONS) as client:
        status, _ = await raw(client, f"GET {PREFIX}{target} HTTP/1.1\n")
        assert status in {400, 404}
