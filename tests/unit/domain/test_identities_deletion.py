"""A deletion under one address of a contact: nothing comes back through another address."""

from datetime import datetime

from tests.unit.domain.given.contact_inbox import NAMES, ContactInbox, writes, written
from tests.unit.domain.given.samples import ACCOUNT, NOON, SECOND, conversation_of

PHONE, USER, THIRD = NAMES[:3]
LATE = NOON + 100 * SECOND
AFTER = LATE + SECOND


def inbox_of(*messages: tuple[str, ...]) -> ContactInbox:
    """Returns an inbox after messages, one each second, each from an address that lists others."""
    inbox = ContactInbox()
    for number, named_ones in enumerate(messages):
        now = NOON + number * SECOND
        assert writes(inbox, written(*named_ones, sent_at=now), now) is not None
    return inbox


def forget(inbox: ContactInbox, address: str, now: datetime) -> None:
    inbox.erase(ACCOUNT, conversation_of(address), now)


def test_a_message_of_before_a_deletion_does_not_come_back_from_any_address_that_led_there() -> (
    None
):
    inbox = inbox_of((PHONE,), (PHONE, USER))
    forget(inbox, PHONE, LATE)
    assert inbox.aliases[ACCOUNT] == {}
    assert inbox.tombstones[ACCOUNT, conversation_of(USER)].version == 0
    for old in ((PHONE,), (USER,), (USER, THIRD), (THIRD, USER)):
        assert writes(inbox, written(*old, sent_at=LATE), AFTER) is None
    assert inbox.conversations == {}
    assert inbox.aliases[ACCOUNT] == {}


def test_what_an_address_led_to_is_forgotten_with_it_and_a_later_message_starts_afresh() -> None:
    inbox = inbox_of((PHONE,), (PHONE, USER))
    forget(inbox, PHONE, LATE)
    assert writes(inbox, written(USER, sent_at=AFTER), AFTER) == conversation_of(USER)
    made = inbox.conversations[ACCOUNT, conversation_of(USER)]
    assert (made.version, made.erased_until) == (2, LATE)
    # Now the phone leads to the user id. The versions of the phone's conversation are still known.
    assert writes(inbox, written(USER, PHONE, sent_at=AFTER), AFTER) == conversation_of(USER)
    forget(inbox, USER, AFTER)
    kept = inbox.tombstones[ACCOUNT, conversation_of(PHONE)]
    assert (kept.version, kept.deleted_at) == (4, AFTER)


def test_the_younger_goes_on_alone_once_the_older_is_deleted_even_when_that_starts_afresh() -> None:
    inbox = inbox_of((PHONE,), (USER,), (PHONE, USER))
    phones, users = conversation_of(PHONE), conversation_of(USER)
    forget(inbox, PHONE, LATE)
    assert writes(inbox, written(USER, sent_at=AFTER), AFTER) == users
    assert inbox.conversations[ACCOUNT, users].status == "open"
    assert writes(inbox, written(PHONE, sent_at=AFTER), AFTER) == phones
    assert writes(inbox, written(USER, sent_at=AFTER), AFTER) == users
    # A message lists both: of the two, the one is older now that was the younger before.
    assert writes(inbox, written(PHONE, USER, sent_at=AFTER), AFTER) == users
    assert inbox.conversations[ACCOUNT, phones].merged_into == users


def test_what_was_deleted_of_one_address_does_not_come_back_through_another() -> None:
    inbox = inbox_of((USER,))
    forget(inbox, USER, LATE)
    # The phone's conversation is new, and the user id leads to it from then on.
    phones = conversation_of(PHONE)
    assert writes(inbox, written(PHONE, sent_at=AFTER), AFTER) == phones
    assert writes(inbox, written(PHONE, USER, sent_at=AFTER), AFTER) == phones
    assert writes(inbox, written(USER, sent_at=LATE), AFTER) is None
    assert writes(inbox, written(USER, sent_at=AFTER), AFTER) == phones
    # The phone's conversation was never deleted: its old messages are recorded.
    assert writes(inbox, written(PHONE, USER, historical=True), AFTER) == phones
