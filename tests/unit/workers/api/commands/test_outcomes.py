"""The answers about commands."""

import pytest

from db.commands import Outcome
from schemas.codes import RejectionCode
from workers.api.commands.outcomes import CommandPending, CommandResult, answer_about
from workers.api.problem import Problem


def test_an_accepted_command_is_answered_with_its_version() -> None:
    answer = answer_about("c1", Outcome("accepted", 7))
    assert (answer.status, answer.body) == (
        200,
        CommandResult(command_id="c1", code="accepted", version=7),
    )


@pytest.mark.parametrize(
    "outcome",
    [None, Outcome(None, None), Outcome("new_code", 3)],
    ids=["none", "of an older program", "of a newer program"],
)
def test_without_an_outcome_it_says_where_to_ask(outcome: Outcome | None) -> None:
    answer = answer_about("a/b?%", outcome)
    assert (answer.status, answer.body) == (202, CommandPending(command_id="a/b?%"))
    assert answer.headers == {"Location": "/api/v1/commands/a%2Fb%3F%25"}


@pytest.mark.parametrize("code", RejectionCode)
def test_each_rejection_has_its_status_and_plain_words(code: RejectionCode) -> None:
    with pytest.raises(Problem) as caught:
        answer_about("c1", Outcome(code, 7))
    statuses = {"not_installer": 403, "window_closed": 422, "too_long": 422}
    assert caught.value.status == statuses.get(code, 409)
    assert caught.value.code == code
    assert caught.value.detail
    if code == RejectionCode.UNKNOWN_CHANNEL:
        assert "is not known, or was removed" in caught.value.detail
