"""Keeps messages, and lists those of an account in pages, as Twilio's API does."""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime
from typing import TypeAlias
from urllib.parse import urlencode

from workers.dev.twilio_stand_in.errors import ApiRefusal
from workers.dev.twilio_stand_in.messages import Message, Resource

PAGE_SIZE, PAGE_SIZE_MAX = 50, 1000

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")

Query: TypeAlias = Mapping[str, str]
Test: TypeAlias = Callable[[Message], bool]


class Messages:
    """All messages, sent and received."""

    def __init__(self) -> None:
        self._by_sid: dict[str, Message] = {}

    def add(self, message: Message) -> None:
        """Keep a new message."""
        self._by_sid[message.sid] = message

    def __iter__(self) -> Iterator[Message]:
        """All messages, in the order in which they were added."""
        return iter(self._by_sid.values())

    def get(self, account_sid: str, sid: str) -> Message:
        """Returns a message of an account. Raises ApiRefusal when the account has none such."""
        message = self._by_sid.get(sid)
        if message is None or message.account_sid != account_sid:
            raise ApiRefusal(20404, 404)
        return message

    def page(self, account_sid: str, path: str, query: Query) -> Resource:
        """Returns one page of the messages that a query selects, the newest first.

        `path` is the path of the list. A page starts after the last message of the page before,
        even if messages were added in between. `previous_page_uri` is always null. Raises
        ApiRefusal for a query that Twilio would refuse.
        """
        tests = _tests(query)
        found = [
            message
            for message in reversed(self._by_sid.values())
            if message.account_sid == account_sid and all(test(message) for test in tests)
        ]
        found.sort(key=lambda message: message.sent_at or message.created_at, reverse=True)
        return _page(found, path, query)


def _page(found: list[Message], path: str, query: Query) -> Resource:
    size = _number(query, "PageSize", PAGE_SIZE, 1)
    if size > PAGE_SIZE_MAX:
        raise ApiRefusal(20007)
    number = _number(query, "Page", 0, 0)
    start = _after(found, query["PageToken"]) if "PageToken" in query else number * size
    shown = found[start : start + size]
    kept = {name: value for name, value in query.items() if name not in _PAGING}

    def uri(page: int, **token: str) -> str:
        return f"{path}?{urlencode(kept | {'PageSize': str(size), 'Page': str(page)} | token)}"

    more = start + size < len(found)
    return {
        "first_page_uri": uri(0),
        "end": start + len(shown) - 1 if shown else start,
        "previous_page_uri": None,
        "messages": [message.resource() for message in shown],
        "uri": uri(number),
        "page_size": size,
        "start": start,
        "next_page_uri": uri(number + 1, PageToken=f"PA{shown[-1].sid}") if more else None,
        "page": number,
    }


_PAGING = ("PageSize", "Page", "PageToken")


def _after(found: list[Message], token: str) -> int:
    sids = [message.sid for message in found]
    try:
        return sids.index(token.removeprefix("PA")) + 1
    except ValueError:
        raise ApiRefusal(20001) from None


def _number(query: Query, name: str, default: int, least: int) -> int:
    text = query.get(name, str(default))
    if not (text.isascii() and text.isdigit()) or int(text) < least:
        raise ApiRefusal(20001)
    return int(text)


def _tests(query: Query) -> list[Test]:
    tests: list[Test] = []
    if to := query.get("To"):
        tests.append(lambda message: message.to == to)
    if sender := query.get("From"):
        tests.append(lambda message: message.from_ == sender)
    if on := query.get("DateSent"):
        tests.append(_sent(on, lambda sent, given: sent == given))
    # Twilio writes `DateSent>=2026-01-31`: the parameter's name ends before the equals sign.
    if since := query.get("DateSent>"):
        tests.append(_sent(since, lambda sent, given: sent >= given))
    if until := query.get("DateSent<"):
        tests.append(_sent(until, lambda sent, given: sent <= given))
    return tests


def _sent(text: str, compare: Callable[[date, date], bool]) -> Test:
    """Returns a test of the time of sending. It compares days where the text is only a day."""
    by_day = bool(_DAY.fullmatch(text))
    try:
        given = datetime.fromisoformat(text)
    except ValueError:
        raise ApiRefusal(20001) from None
    given = given if given.tzinfo else given.replace(tzinfo=UTC)

    def test(message: Message) -> bool:
        if message.sent_at is None:
            return False
        if by_day:
            return compare(message.sent_at.date(), given.date())
        return compare(message.sent_at, given)

    return test
