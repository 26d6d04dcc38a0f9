"""The codes are exactly those of the contract."""

from schemas.codes import DeadLetterCode, RejectionCode


def test_these_are_the_rejection_codes() -> None:
    assert set(RejectionCode) == set(
        [
            "unknown_conversation",
            "unknown_user",
            "unknown_channel",
            "no_inbox_access",
            "assignee_unavailable",
            "not_installer",
            "stale_version",
            "superseded",
            "not_linked",
            "already_answered",
            "window_closed",
            "too_long",
            "empty",
        ]
    )


def test_these_are_the_dead_letter_codes() -> None:
    assert set(DeadLetterCode) == set(
        [
            "unknown_channel",
            "not_json",
            "not_cloudevent",
            "unknown_type",
            "invalid_data",
            "too_large",
            "unstorable",
        ]
    )
