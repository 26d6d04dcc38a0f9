"""Requests that Twilio would not send, fed to the code of the webhooks."""

from datetime import UTC, datetime
from random import Random
from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode

from multidict import CIMultiDict, MultiDict
from twilio.request_validator import RequestValidator

from bench.mock_twilio.account import SID, TOKEN
from schemas.catalog import INBOUND
from schemas.cloudevents import Decoders, encode
from schemas.fields import AccountId, ChannelId
from tests.fuzz.mutations import changed_bytes, changed_json, text, to_json
from tests.fuzz.records import WronglyAccepted
from tests.harness.signed_forms import MESSENGER, SMS, STATUS, WHATSAPP
from workers.kafka.publisher import record_key
from workers.settings.values import TwilioAccount, TwilioAccounts
from workers.twilio.form import BadForm
from workers.twilio.form_fields import MESSAGE_FIELDS, STATUS_FIELDS
from workers.twilio.signature import authenticate
from workers.webhooks.webhook import INBOUND_WEBHOOK, STATUS_WEBHOOK, Webhook, WebhookKind, kind_of

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
ACCOUNTS: TwilioAccounts = {
    SID: TwilioAccount(
        account_id=AccountId("acme"), auth_token=TOKEN, signing_keys={"k1": "secret"}
    )
}
URLS = {
    INBOUND_WEBHOOK: "https://inbox.example.com/inbound",
    STATUS_WEBHOOK: "https://inbox.example.com/status",
}
FORMS = {INBOUND_WEBHOOK: (SMS, WHATSAPP, MESSENGER), STATUS_WEBHOOK: (STATUS,)}
QUERIES = (
    "",
    "mid=0190a719-ac96-7eb9-a837-cac215164834&a=2",
    "mid=x&a=99999999999",
    "a=-1&a=0&mid=",
    "mid=%00&a=%D9%A3",
    "&&&=&a",
)
FLOW = {
    "flow_token": "x1",
    "pages": [{"items": [{"label": "E-mail", "value": "dana@example.com"}]}],
    "nfm_reply": {"response_json": '{"a": ["0_b"]}'},
    "flowResponse": {"screen_0_Choose_one_0": "1_Yes"},
}
KEPT = ("AccountSid",)
"""Of fields with this name the first one counts, so a second one changes nothing."""
SETTINGS = ("", "key=k1,algorithm=HMAC_SHA256", "algorithm=HMAC_MD5", "key=,=,,", "algorithm")
DECODERS = {kind: Decoders(INBOUND[kind.topic]) for kind in FORMS}


class WebhookRequest(NamedTuple):
    """A request to a webhook."""

    kind: WebhookKind
    """The kind of its path."""
    url: str
    query: str
    headers: CIMultiDict[str]
    body: bytes


def make(random: Random) -> WebhookRequest:
    """Returns a request. Most are signed, so that their forms are read."""
    kind = random.choice(list(FORMS))
    body = random.choice(FORMS[kind])
    how = random.random()
    if how < 0.4:
        body = changed_bytes(random, body)
    elif how < 0.9:
        body = _changed_form(random, body)
    else:
        body = random.randbytes(random.randrange(200))
    query = random.choice(QUERIES) if random.random() < 0.7 else text(random)
    url = URLS[kind] + (f"?{query}" if query else "")
    settings = "" if random.random() < 0.7 else random.choice((*SETTINGS, text(random)))
    signature = text(random) if random.random() < 0.1 else _signature(url, body, settings)
    headers = CIMultiDict({"X-Twilio-Signature": signature})
    if settings:
        headers["X-Twilio-Webhooks-Signature-Settings"] = settings
    return WebhookRequest(kind, url, query, headers, body)


def _changed_form(random: Random, body: bytes) -> bytes:
    """Returns a form of which some fields are changed, removed or doubled."""
    fields = parse_qsl(body.decode(), keep_blank_values=True)
    for _ in range(random.randrange(1, 4)):
        place = random.randrange(len(fields))
        name, _ = fields[place]
        how = random.random()
        if how < 0.6 and name != "AccountSid":
            fields[place] = (name, text(random))
        elif how < 0.8:
            fields.insert(place, (name, text(random)))
        elif len(fields) > 1:
            del fields[place]
    if random.random() < 0.2:
        names = [field.name.replace("{n}", "0") for field in (*MESSAGE_FIELDS, *STATUS_FIELDS)]
        added = random.sample(names, 6)
        fields += [(name, text(random)) for name in added if name not in KEPT]
    if random.random() < 0.2:
        name = random.choice(("InteractiveData", "FlowData"))
        data = to_json(changed_json(random, FLOW))
        if random.random() < 0.5:
            data = changed_bytes(random, data)
        fields.append((name, data.decode(errors="replace")))
    if random.random() < 0.01:
        fields += [("x", "")] * random.choice((400, 600))
    return urlencode(fields, errors="surrogatepass").encode()


def _signature(url: str, body: bytes, settings: str) -> str:
    """Returns Twilio's signature of a form; "" if it cannot be signed."""
    secret, algorithm = (
        ("secret", "HMAC_SHA256") if settings == SETTINGS[1] else (TOKEN, "HMAC_SHA1")
    )
    form = MultiDict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))
    try:
        made: str = RequestValidator(secret).compute_signature(url, form, algorithm)
    except UnicodeEncodeError:
        return ""
    return made


def outcome_of(request: WebhookRequest) -> str:
    """Returns `403`, `400` or `taken`. All other errors are raised."""
    signed = authenticate(ACCOUNTS, request.url, request.headers, request.body)
    if signed is None:
        return "403"
    form, account = signed
    kind = kind_of(form, request.kind)
    webhook = Webhook(
        kind=kind,
        account_id=account,
        body=request.body,
        form=form,
        query=request.query,
        received_at=NOW,
    )
    try:
        webhook.check()
    except BadForm:
        return "400"
    event = webhook.event(ChannelId("wa1"))
    kept = Webhook.from_bytes(webhook.to_bytes())
    if kept.event(ChannelId("wa1")) != event or kept.contact != webhook.contact:
        raise WronglyAccepted("from the spool it is another")
    record_key(event.data).encode()
    # An event of a webhook must never become a dead letter: here an InvalidRecord is a finding.
    read = DECODERS[kind].decode(encode(event), (), 0, NOW)
    if read.data != event.data:
        raise WronglyAccepted("from Kafka it is another")
    return "taken"
