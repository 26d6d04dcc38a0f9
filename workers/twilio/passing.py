"""Which errors of Twilio pass by themselves, and which ask for an operator.

After one of them a message was surely not taken, and the same message may be taken later. The codes
are those of twilio.com/docs/api/errors; docs/sending.md has them in a table, with others that do
not pass.
"""

TOO_MANY_REQUESTS = 20429
"""Requests with this error "aren't processed and are safe to retry", says Twilio."""

TOO_MANY_CODES = frozenset(
    {14107, TOO_MANY_REQUESTS, 21611, 30001, 30022, 30023, 60728, 63017, 63018, 63038}
)
"""Too many messages at present: of a sender, of an account, for a carrier, in an hour or a day."""

ACCOUNT_CODES = frozenset({401, 10001, 20003, 20005, 90010})
"""The account is not active, or its token is wrong (also as an HTTP status without a code). They
are final: a user learns at once that the reply did not go out. But an operator has to know."""


def is_passing(status: int, code: int | None) -> bool:
    """Returns whether an answer with an HTTP status and Twilio's code refuses only for now.

    A 5xx does not count, since it may come from a server in front of the one that took the message.
    """
    return status // 100 == 4 and (status == 429 or code in TOO_MANY_CODES)
