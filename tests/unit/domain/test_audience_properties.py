"""In any history, exactly those users are notified whose settings ask for it."""

from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.conversations import ConversationAssigned, MessageRecorded
from schemas.directory import UserNotificationSettingsChanged, UserRemoved, UserUpserted
from schemas.notifications import NotificationRequested
from tests.unit.domain.given.histories import GONE_HISTORIES, HISTORIES, KINDS, History
from tests.unit.domain.given.memory_inbox import Applied, played, wants_to_be_seen

# Many examples: coverage would take most of their time. The example tests reach all lines.
pytestmark = pytest.mark.no_cover


Audience = dict[str, tuple[str, frozenset[str]]]
"""By user id: the reason of the notification, and its media."""


@given(st.one_of(HISTORIES, GONE_HISTORIES))
def test_exactly_the_users_that_the_settings_say_are_told(history: History) -> None:
    settings = Settings()
    for applied in played(history).applied:
        events = [i.data for i in applied.outgoing if isinstance(i.data, NotificationRequested)]
        expected = settings.audience(applied)
        assert len(events) == (1 if expected else 0)
        for data in events:
            assert {
                one.user_id: (one.reason, frozenset(one.media)) for one in data.recipients
            } == expected
            assert [one.user_id for one in data.recipients] == sorted(expected)
        settings.apply(applied.event.data)


class Settings:
    """Computes audiences the slow way, from the directory's events and the contract."""

    DEFAULTS: ClassVar[dict[str, set[str]]] = {
        "assigned_to_me": {"desktop", "email"},
        "assignment": {"desktop", "email"},
        "unassigned": {"desktop"},
        "assigned_to_others": set(),
    }

    def __init__(self) -> None:
        self.access: dict[tuple[str, str], bool] = {}
        self.chosen: dict[tuple[str, str], dict[str, set[str]]] = {}

    def apply(self, data: Any) -> None:
        """Follow an event of the directory."""
        if isinstance(data, UserUpserted):
            self.access[data.account_id, data.user_id] = data.inbox_access
        elif isinstance(data, UserRemoved):
            self.access.pop((data.account_id, data.user_id), None)
            self.chosen.pop((data.account_id, data.user_id), None)
        elif isinstance(data, UserNotificationSettingsChanged):
            chosen = self.chosen.setdefault((data.account_id, data.user_id), {})
            for kind in KINDS:
                medium = getattr(data.settings, kind)
                if medium is not None:
                    chosen[kind] = {name for name in ("desktop", "email") if getattr(medium, name)}

    def audience(self, applied: Applied) -> Audience:
        """Returns the users who are to be notified of an event."""
        for data in (item.data for item in applied.outgoing):
            if isinstance(data, MessageRecorded) and wants_to_be_seen(data):
                assert data.after is not None
                assignee_id = data.after.assignee_id
                is_there = self.access.get((data.account_id, assignee_id or ""), False)
                return self._of_message(data.account_id, assignee_id if is_there else None)
            if isinstance(data, ConversationAssigned):
                assert data.after is not None
                return self._of_assignment(data, str(data.after.assignee_id))
        return {}

    def _of_message(self, account_id: str, assignee_id: str | None) -> Audience:
        audience = {}
        for (account, user_id), has_access in self.access.items():
            reason = (
                "unassigned"
                if assignee_id is None
                else "assigned_to_me"
                if assignee_id == user_id
                else "assigned_to_others"
            )
            media = self._media(account, user_id, reason)
            if account == account_id and has_access and media:
                audience[user_id] = (reason, frozenset(media))
        return audience

    def _of_assignment(self, data: ConversationAssigned, assignee_id: str) -> Audience:
        has_access = self.access.get((data.account_id, assignee_id), False)
        media = self._media(data.account_id, assignee_id, "assignment")
        if assignee_id == data.actor_id or not has_access or not media:
            return {}
        return {assignee_id: ("assignment", frozenset(media))}

    def _media(self, account_id: str, user_id: str, kind: str) -> set[str]:
        return self.chosen.get((account_id, user_id), {}).get(kind, self.DEFAULTS[kind])
