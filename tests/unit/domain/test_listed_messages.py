"""Which message of the provider's list an uncertain part became: only where that is certain."""

from datetime import timedelta

import pytest

from domain.listed_messages import CLOCKS_APART, ListedMessage, find_listed
from domain.sending import POST_SECONDS, Send
from tests.unit.domain.given.reply_parts import listed, part, posting, uncertain
from tests.unit.domain.given.samples import NOON, SECOND

MINUTE = timedelta(minutes=1)
POSTED = POST_SECONDS * SECOND


@pytest.mark.parametrize(
    "message",
    [
        listed(),
        listed(body=" Hi\n"),
        listed(created_at=NOON - CLOCKS_APART),
        listed(created_at=NOON + POSTED + CLOCKS_APART),
        listed(status="failed", error_code=30003),
    ],
)
def test_the_one_message_that_fits_is_what_an_uncertain_part_became(message: ListedMessage) -> None:
    others = [listed("SM2", body="Ho"), listed("SM3", created_at=NOON - 2 * MINUTE)]
    assert find_listed(uncertain(), [uncertain()], [*others, message]) is message


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [listed(body="hi")],
        [listed(created_at=NOON - CLOCKS_APART - SECOND)],
        [listed(created_at=NOON + POSTED + CLOCKS_APART + SECOND)],
        # It may be either of the two: somebody else may send from this address too.
        [listed(), listed("SM2")],
    ],
)
def test_nothing_that_fits_or_more_than_one_settles_nothing(messages: list[ListedMessage]) -> None:
    assert find_listed(uncertain(), [uncertain()], messages) is None


NEAR = NOON + 2 * MINUTE + POSTED
"""The latest POST whose message could be mistaken for the message of a POST of noon."""


@pytest.mark.parametrize(
    "other",
    [
        uncertain(version=4),
        uncertain(part=2, body="Hi "),
        posting(version=4, posting_at=NEAR),
        uncertain(version=4, posting_at=NEAR, told_uncertain=True),
        # A template may have any text.
        uncertain(version=4, body="", content_sid="HX1"),
    ],
)
def test_two_texts_that_may_be_equal_are_two_messages_and_settle_nothing(other: Send) -> None:
    one = uncertain()
    for messages in ([listed()], [listed(), listed("SM2", created_at=NOON + SECOND)]):
        assert find_listed(one, [one, other], messages) is None


@pytest.mark.parametrize(
    "other",
    [
        uncertain(version=4, body="Ho"),
        part(version=4, attempts=1, posting_at=NOON),
        uncertain(version=4, posting_at=NEAR + SECOND),
        uncertain(version=2, posting_at=NOON - 2 * MINUTE - POSTED - SECOND, told_uncertain=True),
    ],
)
def test_a_part_that_cannot_be_meant_does_not_matter(other: Send) -> None:
    one, message = uncertain(), listed()
    assert find_listed(one, [one, other], [message]) is message


def test_a_template_is_not_looked_for_by_its_text() -> None:
    template = uncertain(body="", content_sid="HX1")
    assert find_listed(template, [template], [listed(body="")]) is None
