"""A reply needs something to send."""

from typing import Any
from uuid import UUID

import msgspec
import pytest

from schemas.messages import MessageSend

GIVEN = {"account_id": "acme", "conversation_id": str(UUID(int=1)), "actor_id": "ana"}


@pytest.mark.parametrize(
    "fields",
    [
        {"body": "Hi"},
        {"body": " "},
        {"media_urls": ["https://a.b/1.png"]},
        {"content_sid": "HX1"},
        {"content_sid": "HX1", "content_variables": {"1": "Ana"}},
        {"body": "", "media_urls": [], "content_sid": "HX1"},
        # The command is rejected: its user is told.
        {"body": ""},
        {"body": "", "media_urls": []},
        {"body": "Hi", "media_urls": ["https://a.b/1.png"]},
    ],
    ids=str,
)
def test_a_reply_has_a_text_or_files_or_a_template(fields: dict[str, Any]) -> None:
    decoded = msgspec.json.decode(msgspec.json.encode(GIVEN | fields), type=MessageSend)
    written = msgspec.json.decode(msgspec.json.encode(decoded))
    assert written | fields == written


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"media_urls": []},
        {"content_variables": {"1": "Ana"}},
    ],
    ids=str,
)
def test_a_reply_without_any_of_these_fields_is_refused(fields: dict[str, Any]) -> None:
    needed = "body, media_urls, content_sid: a reply needs one of them"
    with pytest.raises(msgspec.ValidationError, match=needed):
        msgspec.json.decode(msgspec.json.encode(GIVEN | fields), type=MessageSend)


@pytest.mark.parametrize(
    "fields", [{"content_sid": ""}, {"media_urls": [""]}, {"body": None}], ids=str
)
def test_what_a_reply_has_is_not_empty(fields: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(GIVEN | {"body": "Hi"} | fields, MessageSend)
