"""The event of any form that is taken fits into a record."""

import json

import pytest

from schemas.cloudevents import CONTENT_TYPE_HEADER, Decoders, encode
from schemas.fields import AccountId, ChannelId
from schemas.messages import MessageReceived
from schemas.topics import RECORD_BYTES_MAX
from tests.unit.workers.twilio.test_inbound_form import NOW, event
from workers.twilio.form import parse_form
from workers.twilio.inbound_form import received_event
from workers.webhooks.routes import BODY_BYTES_MAX

LARGE = {
    "text": "x",
    "characters of two bytes": "é",
    "characters that JSON escapes": "\x01",
    "what is no UTF-8": "\udcff",
    "emoji": "\U0001f9d1\u200d\U0001f4bb",
}


@pytest.mark.parametrize("field", ["Body", "ProfileName", "InteractiveData", "Label", "MediaUrl0"])
@pytest.mark.parametrize("what", LARGE)
def test_the_record_of_any_form_that_is_taken_has_at_most_256_kib(field: str, what: str) -> None:
    body = f"MessageSid=SM1&From=whatsapp:+4911&To=whatsapp:+1&NumMedia=1&{field}=a".encode()
    value = LARGE[what].encode(errors="surrogateescape")
    body += value * ((BODY_BYTES_MAX - len(body)) // len(value))
    made = received_event(parse_form(body), AccountId("acme"), ChannelId("wa1"), NOW)
    assert len(encode(made)) <= RECORD_BYTES_MAX
    assert Decoders([MessageReceived]).decode(encode(made), [CONTENT_TYPE_HEADER], 0, NOW)


def test_a_record_whose_every_part_is_as_large_as_it_may_be_fits() -> None:
    escaped = "x" + "\x01" * 40_000
    files = {f"MediaUrl{number}": "\x01" * 100 for number in range(100)}
    made = event(
        **files,
        NumMedia="100",
        From="whatsapp:" + "\x01" * 247,
        ExternalUserId="\x02" * 247,
        WaId="491111111111111",
        ProfileName=escaped,
        Body=escaped,
        MessageSid="S" * 64,
        ButtonPayload="\x01" * 170,
        ListId="\x02" * 170,
        Label=escaped,
        Address=escaped,
        ReferralSourceUrl="\x01" * 340,
        InteractiveData=json.dumps({str(number): "x" * 900 for number in range(100)}),
    )
    size = len(encode(made))
    assert 240 * 1024 < size <= RECORD_BYTES_MAX
    assert made.data.body.endswith("…")
    assert made.data.contact.name.endswith("…")
