"""The key of a message within its batch: equal keys have equal ids, whatever else differs."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.messages import derive_ids
from schemas.messages import Contact, Media, MessageReceived
from tests.unit.domain.given.samples import NOON, SECOND, message
from workers.agents.received_messages import message_source

# Few values of each field, so that two messages often agree in some fields, and in all.
DATA = st.builds(
    MessageReceived,
    account_id=st.sampled_from(["acme", "globex"]),
    channel_id=st.sampled_from(["wa1", "wa2"]),
    provider_message_id=st.sampled_from(["SM1", "SM2"]),
    contact=st.builds(
        Contact,
        st.sampled_from(["whatsapp:+1", "whatsapp:+2"]),
        st.sampled_from([None, "Ana"]),
        st.sampled_from([(), ("whatsapp:+2",)]),
    ),
    body=st.sampled_from(["", "Hello"]),
    media=st.sampled_from([(), (Media("u", "image/png"),)]),
    sent_at=st.sampled_from([NOON, NOON + SECOND]),
    historical=st.booleans(),
)


@given(DATA, DATA)
def test_two_messages_have_one_key_exactly_if_all_their_ids_are_equal(
    one: MessageReceived, other: MessageReceived
) -> None:
    same_ids = (one.account_id, derive_ids(one)) == (other.account_id, derive_ids(other))
    assert (message_source(one) == message_source(other)) == same_ids


@pytest.mark.parametrize(
    "fields",
    [
        {"provider_message_id": "SM2"},
        {"address": "whatsapp:+2"},
        {"account_id": "globex"},
        {"channel_id": "wa2"},
    ],
    ids=str,
)
def test_one_event_id_of_two_messages_does_not_mix_them_up(fields: dict[str, Any]) -> None:
    one, other = message(event_id="1"), message(event_id="1", **fields)
    keyed = {message_source(event.data): derive_ids(event.data) for event in (one, other)}
    assert [keyed[message_source(event.data)] for event in (one, other)] == [
        derive_ids(one.data),
        derive_ids(other.data),
    ]
