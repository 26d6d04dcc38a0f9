"""What records say has changed, each thing once."""

from schemas.messages import MessageFailed
from schemas.notifications import NotificationRequested, Recipient
from tests.unit.workers.api.events.given import ACCOUNT, ANA, OF_BO, assigned, deleted, recorded
from workers.api.events.changes import Changes


def test_each_conversation_is_there_once_with_its_newest_version() -> None:
    changes = Changes()
    changes.add(recorded("c", 1))
    assert not changes.sections
    changes.add(assigned("c", 2))
    changes.add(assigned("c", 3, before=OF_BO))
    changes.add_version("c", 2)
    assert changes.versions == {"c": 3}
    assert changes.messages == {"c/1": "c"}
    assert changes.sections


def test_replies_are_noted_and_notifications_on_the_desktop_alone() -> None:
    changes = Changes()
    failed = MessageFailed(
        account_id=ACCOUNT, conversation_id="c", version=3, message_id="m", status="failed"
    )
    changes.add(failed)
    by_email, by_desktop = (
        NotificationRequested(
            account_id=ACCOUNT,
            conversation_id="c",
            version=1,
            kind="assignment",
            recipients=(Recipient(ANA, "assignment", (medium,)),),
            contact_name=None,
            message=None,
            inbox_url="",
        )
        for medium in ("email", "desktop")
    )
    changes.add(by_email)
    changes.add(by_desktop)
    assert changes.replies == {"m": "c"}
    assert changes.notifications == [by_desktop]
    assert len(changes) == 2


def test_what_was_taken_can_be_put_back_before_what_came_since() -> None:
    changes = Changes()
    for id_ in "abc":
        changes.add(recorded(id_, 1))
    changes.add(deleted("a", 2))
    taken = changes.take(2)
    assert (taken.versions, taken.removed) == ({"a": 2, "b": 1}, {"a": 2})
    assert changes.versions == {"c": 1}
    changes.add(recorded("b", 2))
    changes.put_back(taken)
    assert list(changes.versions.items()) == [("a", 2), ("b", 2), ("c", 1)]
    assert (changes.removed, changes.sections) == ({"a": 2}, True)
    assert changes.messages.keys() == {"a/1", "b/1", "b/2", "c/1"}
