"""The numbers and the order of an account's events, whatever Postgres shows and when."""

import random
from typing import Any

from domain.directory import User
from schemas.notifications import MessagePreview, NotificationRequested, Recipient
from tests.unit.workers.api.events.given import (
    ACCOUNT,
    ANA,
    BO,
    assigned,
    deleted,
    listed,
    loaded,
    recorded,
    said,
    stored,
)
from workers.api.events.changes import Changes
from workers.api.events.frames import WAITING_BYTES_MAX
from workers.api.events.ids import EventId
from workers.api.events.journal import Journal


def changes(*events: Any) -> Changes:
    """Returns what some records say."""
    made = Changes()
    for event in events:
        made.add(event)
    return made


def test_a_version_is_sent_once_though_postgres_is_ahead_of_the_records() -> None:
    journal = Journal(60)
    first = changes(recorded("c", 1), recorded("c", 2))
    assert journal.unsent(first) == ["c"]
    [event] = journal.publish(first, loaded(listed("c", 4)))
    assert said(event)[2]["version"] == 4
    for version in (3, 4):
        late = changes(assigned("c", version))
        assert journal.unsent(late) == []
        assert journal.publish(late, loaded()) == []
    after = changes(assigned("c", 5))
    assert journal.unsent(after) == ["c"]
    assert [
        said(each)[2]["version"] for each in journal.publish(after, loaded(listed("c", 5)))
    ] == [5]


def test_a_deletion_is_told_and_forgets_what_was_kept() -> None:
    journal = Journal(60)
    start = journal.present
    journal.publish(changes(recorded("c", 2)), loaded(listed("c", 2)))
    [removed] = journal.publish(changes(deleted("c", 3)), loaded())
    assert said(removed)[::2] == ("removed", {"conversation_id": "c", "version": 3})
    assert journal.after(start) == [removed]
    # It starts afresh at once: what was removed comes first.
    both = journal.publish(changes(deleted("c", 7), recorded("c", 9)), loaded(listed("c", 9)))
    assert [said(each)[0] for each in both] == ["removed", "conversation"]
    # It had started afresh before the record of the deletion came.
    journal.publish(changes(recorded("d", 2)), loaded(listed("d", 5)))
    assert journal.publish(changes(deleted("d", 3)), loaded(listed("d", 5))) == []


def test_users_see_a_conversation_and_a_notification_in_their_own_way() -> None:
    journal = Journal(60)
    notification = NotificationRequested(
        account_id=ACCOUNT,
        conversation_id="c",
        version=2,
        kind="message",
        recipients=(
            Recipient(ANA, "unassigned", ("desktop", "email")),
            Recipient(BO, "assigned_to_me", ("email",)),
        ),
        contact_name="Maria",
        message=MessagePreview("m", "Hello"),
        inbox_url="http://x/conversations/c",
    )
    shown, told = journal.publish(
        changes(recorded("c", 2), notification), loaded(listed("c", 2, assignee_id="bo"))
    )
    assert said(shown, ANA)[2]["section"] == "assigned_to_others"
    assert said(shown, BO)[2]["section"] == "assigned_to_me"
    assert said(shown, BO)[2]["unseen"]
    seen = shown.frame_for(BO, {(shown.conversation_id, BO): 2})  # type: ignore[dict-item]
    assert seen is not None
    assert b'"unseen":false' in seen
    assert said(told, ANA)[2] == {
        "kind": "message",
        "conversation_id": "c",
        "contact_name": "Maria",
        "preview": "Hello",
        "inbox_url": "http://x/conversations/c",
        "reason": "unassigned",
    }
    assert told.frame_for(BO, {}) is None
    me = journal.me(User(account_id=ACCOUNT, user_id=BO, name="Bo"))
    assert me.frame_for(ANA, {}) is None
    assert said(me, BO)[2]["name"] == "Bo"


def test_a_client_goes_on_only_from_an_event_of_this_epoch() -> None:
    journal = Journal(60)
    start = journal.present
    events = journal.publish(changes(recorded("c", 2)), loaded(listed("c", 2)))
    assert journal.after(start) == events
    assert journal.after(journal.present) == []
    wrong = (
        None,
        journal.nothing,
        EventId("0" * 16, 1),
        EventId(start.epoch, journal.present.number + 1),
    )
    assert [journal.after(each) for each in wrong] == [None] * 4
    journal.restart()
    assert journal.after(start) is None


def test_nothing_is_missed_doubled_or_older_whatever_order_things_come_in() -> None:
    choose = random.Random(7)  # noqa: S311  # the same order each time
    for _ in range(200):
        journal, waiting, sent = Journal(60), Changes(), dict[str, list[int]]()
        log: dict[str, int] = dict.fromkeys("abc", 0)
        stored: dict[str, int] = dict.fromkeys("abc", 0)
        for _ in range(60):
            id_ = choose.choice("abc")
            step = choose.random()
            if step < 0.4:
                stored[id_] += 1
            elif step < 0.7 and log[id_] < stored[id_]:
                log[id_] += 1
                waiting.add(recorded(id_, log[id_]))
            elif step < 0.8:
                waiting.put_back(waiting.take(choose.randint(1, 3)))
            else:
                _round(journal, waiting.take(choose.randint(1, 3)), stored, sent)
        for id_, version in stored.items():
            while log[id_] < version:
                log[id_] += 1
                waiting.add(recorded(id_, log[id_]))
        while waiting:
            _round(journal, waiting.take(2), stored, sent)
        assert {id_: versions[-1] for id_, versions in sent.items()} == {
            id_: version for id_, version in stored.items() if version
        }
        assert all(versions == sorted(set(versions)) for versions in sent.values())


def _round(
    journal: Journal, taken: Changes, stored: dict[str, int], sent: dict[str, list[int]]
) -> None:
    shown = [listed(id_, stored[id_]) for id_ in journal.unsent(taken)]
    for event in journal.publish(taken, loaded(*shown)):
        _, _, data = said(event)
        sent.setdefault(data["conversation_id"], []).append(data["version"])


def test_an_event_that_no_client_could_wait_for_lets_them_fetch_again() -> None:
    journal = Journal(60)
    shown = loaded(listed("c", 2))
    for length, name in ((WAITING_BYTES_MAX // 2, "message"), (WAITING_BYTES_MAX, "reset")):
        shown.messages["c/2"] = stored("c/2", "x" * length)
        *_, event = journal.publish(changes(recorded("c", 2)), shown)
        assert said(event)[:2] == (name, str(journal.present))
        assert event.size <= WAITING_BYTES_MAX
