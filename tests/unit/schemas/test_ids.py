"""Derived ids follow the formulas of the contract."""

from uuid import UUID, uuid5

from hypothesis import given
from hypothesis import strategies as st

from schemas import ids
from schemas.fields import AccountId, ChannelId

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
ACCOUNT, CHANNEL = AccountId("acme"), ChannelId("wa1")


@given(TEXT)
def test_uuid5_text_is_the_standard_librarys_uuid5(name: str) -> None:
    assert ids.uuid5_text(name) == str(uuid5(ids.NAMESPACE, name))


def test_the_namespace_never_changes() -> None:
    assert UUID("6f1d2c1e-5b0a-5a7e-9c58-2f1b7b0f6a11") == ids.NAMESPACE


def test_a_conversation_id_is_of_account_channel_and_address() -> None:
    derived = ids.conversation_id(ACCOUNT, CHANNEL, "whatsapp:+4911")
    assert derived == str(uuid5(ids.NAMESPACE, "acme/wa1/whatsapp:+4911"))


def test_a_message_id_is_of_account_channel_and_the_providers_id() -> None:
    derived = ids.inbound_message_id(ACCOUNT, CHANNEL, "SM1")
    assert derived == str(uuid5(ids.NAMESPACE, "acme/wa1/SM1"))


def test_a_replys_id_is_of_account_and_command() -> None:
    assert ids.reply_message_id(ACCOUNT, "cmd-1") == str(uuid5(ids.NAMESPACE, "acme/cmd-1"))


def test_every_part_of_a_cause_tells_emitted_events_apart() -> None:
    made = {
        ids.emitted_event_id(cause, AccountId(account), conversation, type_, version, part=part)
        for cause in ("e1", "e2")
        for account in ("acme", "globex")
        for conversation in ("c1", "c2")
        for type_ in ("t1", "t2")
        for version in (1, 2)
        for part in (1, 2)
    }
    assert len(made) == 2**6


def test_an_emitted_events_id_is_the_same_on_a_replay() -> None:
    first, again = (ids.emitted_event_id("e", ACCOUNT, "c", "t", 1) for _ in range(2))
    assert first == again == str(uuid5(ids.NAMESPACE, "e/acme/c/t/1/1"))
