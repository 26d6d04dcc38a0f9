"""JSON as the API writes it."""

from datetime import UTC, datetime
from uuid import UUID

import msgspec
import pytest

from workers.api.encoding import encode


class Inner(msgspec.Struct):
    at: datetime
    names: list[str | None]


class Outer(msgspec.Struct):
    inner: Inner
    others: dict[str, Inner]
    id: UUID


def test_structs_are_written_at_any_depth() -> None:
    inner = Inner(datetime(2026, 3, 1, 12, tzinfo=UTC), ["ż", None])
    encoded = encode([Outer(inner, {"x": inner}, UUID(int=7))])
    written = {"at": "2026-03-01T12:00:00Z", "names": ["ż", None]}
    assert msgspec.json.decode(encoded) == [
        {
            "inner": written,
            "others": {"x": written},
            "id": "00000000-0000-0000-0000-000000000007",
        }
    ]


def test_times_are_in_utc() -> None:
    at = datetime(2026, 3, 1, 14, 0, 0, 250_000, tzinfo=UTC)
    assert encode(at) == b'"2026-03-01T14:00:00.250000Z"'


class Sparse(msgspec.Struct):
    number: int
    text: str | msgspec.UnsetType = msgspec.UNSET


def test_what_is_unset_is_left_out_and_numbers_have_any_length() -> None:
    assert encode(Sparse(10**30)) == b'{"number":1000000000000000000000000000000}'


def test_a_dict_is_written_as_a_struct_is() -> None:
    at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    value = {"number": 7, "at": at, "within": [Sparse(10**30), Inner(at, ["ż", None])]}
    assert encode(value) == msgspec.json.encode(value)
    assert encode({"raw": msgspec.Raw(b'{"a":1}')}) == b'{"raw":{"a":1}}'


def test_what_is_no_json_is_an_error() -> None:
    for value in (object(), {"within": object()}):
        with pytest.raises(TypeError):
            encode(value)
