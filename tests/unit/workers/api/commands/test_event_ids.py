"""Ids of events from the header `Idempotency-Key`."""

import uuid

import pytest
from multidict import CIMultiDict

from workers.api.commands.event_ids import event_id, reply_id
from workers.api.problem import Problem


def id_of(*keys: str) -> str:
    return event_id(CIMultiDict([("Idempotency-Key", key) for key in keys]))


def test_a_key_is_the_id() -> None:
    assert id_of("a/b c?#%25 é") == "a/b c?#%25 é"
    assert id_of("x" * 256) == "x" * 256


def test_without_a_key_each_id_is_new() -> None:
    assert uuid.UUID(id_of()) != uuid.UUID(id_of())


@pytest.mark.parametrize(
    "keys", [("",), ("x" * 257,), ("a\0",), ("a\tb",), ("\udcff",), ("a", "a")], ids=ascii
)
def test_what_is_no_id_is_refused(keys: tuple[str, ...]) -> None:
    with pytest.raises(Problem) as caught:
        id_of(*keys)
    assert caught.value.code == "invalid_request"


def test_a_reply_has_no_id_that_a_message_of_a_contact_may_have() -> None:
    assert reply_id(CIMultiDict({"Idempotency-Key": "r-1"})) == "r-1"
    assert uuid.UUID(reply_id(CIMultiDict()))
    with pytest.raises(Problem) as caught:
        reply_id(CIMultiDict({"Idempotency-Key": "wa1/SM1"}))
    assert caught.value.code == "invalid_request"
