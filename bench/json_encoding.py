"""Compares msgspec and orjson as writers of the JSON that this system writes.

    python -m bench.json_encoding [--rounds 9] [--json FILE]

Values: an answer of the API with 50 conversations, one frame of its event stream, and an event as
the relay publishes it; then dicts, and the reading of JSON that has no struct. Each of the first is
made from the same rows or fields, as a struct or as a dict, and then encoded; `made` counts the
making too. orjson knows no structs: it gets dicts, or a function that makes one of each struct. All
ways take turns in each round; the medians are compared.
"""

import argparse
import json
import statistics
import timeit
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import orjson

from schemas.cloudevents import SOURCE, CloudEvent, encode
from schemas.conversations import MessageRecorded
from workers.api.shapes import ChannelName, ContactName, Conversation, LastMessage, UserName

PAGE = 50
SECONDS_OF_A_ROUND = 0.1

NOW = datetime(2026, 3, 1, 12, 30, 15, 123_456, tzinfo=UTC)
TEXT = "Добрий день! Is the offer for 12 seats still good? 🙂 We would start in May"

Way = Callable[[], Any]


def _plain(value: Any) -> Any:
    found = {name: getattr(value, name) for name in value.__struct_fields__}
    return {name: each for name, each in found.items() if each is not msgspec.UNSET}


def _of_dicts(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_UTC_Z)


def _by_function(value: Any) -> bytes:
    return orjson.dumps(value, default=_plain, option=orjson.OPT_UTC_Z)


def conversation(number: int) -> Conversation:
    """Returns a conversation as the API makes it of a row."""
    return Conversation(
        conversation_id=str(UUID(int=number)),
        version=number + 3,
        section="assigned_to_me",
        status="open",
        assignee=UserName(user_id="ana", name="Ana Kovač"),
        channel=ChannelName(channel_id="wa1", name="Sales", provider="whatsapp"),
        contact=ContactName(name="Марія Коваль", address=f"whatsapp:+38050{number:07}"),
        last_message_at=NOW,
        last_message=LastMessage(direction="inbound", preview=TEXT),
        message_count=number,
        unseen=True,
        window_until=NOW,
    )


def conversation_dict(number: int) -> dict[str, Any]:
    """Returns the same as dicts, made in the fastest way there is."""
    return {
        "conversation_id": str(UUID(int=number)),
        "version": number + 3,
        "section": "assigned_to_me",
        "status": "open",
        "assignee": {"user_id": "ana", "name": "Ana Kovač"},
        "channel": {"channel_id": "wa1", "name": "Sales", "provider": "whatsapp"},
        "contact": {"name": "Марія Коваль", "address": f"whatsapp:+38050{number:07}"},
        "last_message_at": NOW,
        "last_message": {"direction": "inbound", "preview": TEXT},
        "message_count": number,
        "unseen": True,
        "window_until": NOW,
    }


def page() -> Any:
    """Returns an answer with a page of conversations."""
    return {"items": [conversation(number) for number in range(PAGE)], "next": "WzE3N10"}


def page_dict() -> Any:
    """Returns the same as dicts."""
    return {"items": [conversation_dict(number) for number in range(PAGE)], "next": "WzE3N10"}


def _data() -> Any:
    folder = Path(__file__).parent.parent / "schemas" / "examples"
    example = folder / f"{MessageRecorded.TYPE}.json"
    return msgspec.json.decode(example.read_bytes())["data"]


DATA_DICT = _data()
DATA = msgspec.convert(DATA_DICT, MessageRecorded)


def event() -> CloudEvent:
    """Returns an event as the outbox's collector makes it."""
    return CloudEvent(str(UUID(int=7)), DATA.TYPE, NOW, DATA, DATA.conversation_id, "cause")


def event_dict() -> dict[str, Any]:
    """Returns the same as a dict."""
    return {
        "id": str(UUID(int=7)),
        "type": DATA.TYPE,
        "time": NOW,
        "data": DATA_DICT,
        "subject": DATA.conversation_id,
        "causationid": "cause",
        "source": SOURCE,
        "specversion": "1.0",
        "datacontenttype": "application/json",
    }


def ways(struct: Callable[[], Any], plain: Callable[[], Any]) -> dict[str, Way]:
    """Returns the ways to encode a value, which two functions make."""
    one, other = struct(), plain()
    return {
        "msgspec, structs": lambda: encode(one),
        "orjson, dicts": lambda: _of_dicts(other),
        "msgspec, dicts": lambda: encode(other),
        "orjson, structs by a function": lambda: _by_function(one),
        "msgspec, structs, made": lambda: encode(struct()),
        "orjson, dicts, made": lambda: _of_dicts(plain()),
    }


VALUES = {
    "an answer with 50 conversations": ways(page, page_dict),
    "a frame with one conversation": ways(
        lambda: conversation(7),
        lambda: conversation_dict(7),
    ),
    "an event of the relay": ways(event, event_dict),
}


def plain_ways(value: Any) -> dict[str, Way]:
    """Returns the ways to encode a value that has no struct."""
    return {"msgspec": lambda: encode(value), "orjson": lambda: _of_dicts(value)}


def reading_ways(encoded: bytes) -> dict[str, Way]:
    """Returns the ways to decode JSON that has no struct; each way encodes nothing."""
    return {
        "msgspec": lambda: msgspec.json.decode(encoded),
        "orjson": lambda: orjson.loads(encoded),
    }


VARIABLES = {str(number): TEXT for number in range(1, 6)}

PLAIN = {
    "a page of 50 conversations, as dicts": plain_ways(page_dict()),
    "a page of 50 conversations, read": reading_ways(encode(page())),
    "the variables of a template": plain_ways(VARIABLES),
    "the variables of a template, read": reading_ways(orjson.dumps(VARIABLES)),
}


def check_same() -> None:
    """Raise ValueError unless all ways write the same JSON."""
    for value, by_name in VALUES.items():
        first, *others = (orjson.loads(way()) for way in by_name.values())
        if any(other != first for other in others):
            raise ValueError(f"{value}: two ways write different JSON")


def measure(rounds: int) -> dict[str, dict[str, float]]:
    """Returns the microseconds of each way to encode each value."""
    found: dict[str, dict[str, float]] = {}
    for value, by_name in (VALUES | PLAIN).items():
        times: dict[str, list[float]] = {name: [] for name in by_name}
        repeats = {name: _repeats(way) for name, way in by_name.items()}
        for _ in range(rounds):
            for name, way in by_name.items():
                times[name].append(timeit.timeit(way, number=repeats[name]) / repeats[name])
        found[value] = {name: statistics.median(each) * 1e6 for name, each in times.items()}
    return found


def _repeats(way: Way) -> int:
    """Returns how often a way fits into a round; this also warms it up."""
    number, seconds = timeit.Timer(way).autorange()
    return max(1, int(number * SECONDS_OF_A_ROUND / seconds))


def main() -> None:
    """Measure, and print a table: microseconds, and the ratio to the first way."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", type=Path, help="a file for the figures")
    given = parser.parse_args()
    check_same()
    found = measure(given.rounds)
    for value, by_name in found.items():
        print(f"\n{value}")
        usual = next(iter(by_name.values()))
        for name, microseconds in by_name.items():
            print(f"  {name:30}  {microseconds:9.2f} µs  {microseconds / usual:6.2f}")
    if given.json:
        given.json.write_text(json.dumps(found, indent=2), "utf-8")


if __name__ == "__main__":
    main()
