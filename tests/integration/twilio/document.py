"""An OpenAPI description of the Messages resource, made from Twilio's documented parameters.

It is stricter than Twilio in one point: a parameter that is not documented is an error, since it
is probably misspelt.
"""

from typing import Any

from workers.dev.twilio_stand_in.messages import API_VERSION
from workers.dev.twilio_stand_in.sends import BODY_MAX, MEDIA_MAX
from workers.dev.twilio_stand_in.server import FETCH, LIST, MEDIA

Schema = dict[str, Any]

# Not shared with the mock, so that an error in one of them is found.
PHONE = r"\+[1-9][0-9]{1,14}"
CHANNEL_ADDRESS = rf"whatsapp:({PHONE}|[A-Z]{{2}}\.[0-9A-Za-z]+)|messenger:[0-9A-Za-z_.-]+"
SENDER_NAME = r"[0-9]{3,8}|[A-Za-z0-9 ]*[A-Za-z][A-Za-z0-9 ]*"
WEB_URL = r"^https?://[A-Za-z0-9.-]+(:[0-9]+)?([/?#][^\s]*)?$"

ADDRESS = {"type": "string", "pattern": f"^({PHONE}|{CHANNEL_ADDRESS})$"}
SENDER = {"type": "string", "pattern": f"^({PHONE}|{CHANNEL_ADDRESS}|{SENDER_NAME})$"}
URL = {"type": "string", "pattern": WEB_URL}
TEXT = {"type": "string"}
BOOLEAN = {"type": "string", "enum": ["true", "false"]}
DAY_OR_TIME = {
    "type": "string",
    "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}:[0-9]{2}Z)?$",
}


def sid(*prefixes: str) -> Schema:
    """An id of one of these kinds."""
    return {"type": "string", "pattern": f"^({'|'.join(prefixes)})[0-9a-fA-F]{{32}}$"}


def nullable(schema: Schema) -> Schema:
    """A schema that also allows null."""
    return schema | {"nullable": True}


FIELDS: Schema = {
    "To": ADDRESS,
    "From": SENDER,
    "MessagingServiceSid": sid("MG"),
    "Body": {"type": "string", "maxLength": BODY_MAX},
    "MediaUrl": {"type": "array", "items": URL, "maxItems": MEDIA_MAX},
    "ContentSid": sid("HX"),
    "ContentVariables": {"type": "string", "pattern": r"^\{.*\}$"},
    "StatusCallback": URL,
    "ApplicationSid": sid("AP"),
    "Attempt": TEXT,
    "ValidityPeriod": TEXT,
    "ProvideFeedback": BOOLEAN,
    "ForceDelivery": BOOLEAN,
    "SmartEncoded": BOOLEAN,
    "ShortenUrls": BOOLEAN,
    "SendAsMms": BOOLEAN,
    "ScheduleType": {"type": "string", "enum": ["fixed"]},
    "SendAt": DAY_OR_TIME,
    "ContentRetention": {"type": "string", "enum": ["retain", "discard"]},
    "AddressRetention": {"type": "string", "enum": ["retain", "obfuscate"]},
    "RiskCheck": {"type": "string", "enum": ["enable", "disable"]},
}
"""The form of a new message."""

SEND: Schema = {
    "type": "object",
    "properties": FIELDS,
    "additionalProperties": False,
    "required": ["To"],
    "allOf": [
        {"anyOf": [{"required": ["From"]}, {"required": ["MessagingServiceSid"]}]},
        {"anyOf": [{"required": [name]} for name in ("Body", "MediaUrl", "ContentSid")]},
        {"anyOf": [{"required": ["ContentSid"]}, {"not": {"required": ["ContentVariables"]}}]},
    ],
}

TIME = {"type": "string", "pattern": r"^[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} .* \+0000$"}
NUMERAL = {"type": "string", "pattern": "^[0-9]+$"}
URI = {"type": "string", "pattern": f"^/{API_VERSION}/Accounts/AC[0-9a-f]{{32}}/"}

PROPERTIES: Schema = {
    "account_sid": sid("AC"),
    "api_version": {"type": "string", "enum": [API_VERSION]},
    "body": TEXT,
    "date_created": TIME,
    "date_sent": nullable(TIME),
    "date_updated": TIME,
    "direction": {"type": "string", "enum": ["inbound", "outbound-api"]},
    "error_code": nullable({"type": "integer"}),
    "error_message": nullable(TEXT),
    "from": nullable(SENDER),
    "messaging_service_sid": nullable(sid("MG")),
    "num_media": NUMERAL,
    "num_segments": NUMERAL,
    "price": nullable(TEXT),
    "price_unit": nullable(TEXT),
    "sid": sid("SM", "MM"),
    "status": {
        "type": "string",
        "enum": [
            *("accepted", "scheduled", "queued", "sending", "sent", "delivered", "read"),
            *("failed", "undelivered", "canceled", "partially_delivered"),
            *("receiving", "received"),
        ],
    },
    "subresource_uris": {"type": "object", "properties": {"media": URI}, "required": ["media"]},
    "to": ADDRESS,
    "uri": URI,
}
"""The fields of a message in an answer."""

MESSAGE: Schema = {"type": "object", "properties": PROPERTIES, "required": [*PROPERTIES]}

MEDIA_PROPERTIES: Schema = {
    "account_sid": sid("AC"),
    "content_type": TEXT,
    "date_created": TIME,
    "date_updated": TIME,
    "parent_sid": sid("SM", "MM"),
    "sid": sid("ME"),
    "uri": URI,
}

ONE_MEDIA: Schema = {
    "type": "object",
    "properties": MEDIA_PROPERTIES,
    "required": [*MEDIA_PROPERTIES],
}

ERROR: Schema = {
    "type": "object",
    "properties": {
        "code": {"type": "integer"},
        "message": TEXT,
        "more_info": URL,
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
    },
    "required": ["code", "message", "status"],
}


def page(name: str, items: Schema) -> Schema:
    """A page of a list."""
    whole = {"type": "integer", "minimum": 0}
    properties = {
        name: {"type": "array", "items": items},
        "end": whole,
        "first_page_uri": URI,
        "next_page_uri": nullable(URI),
        "page": whole,
        "page_size": {"type": "integer", "minimum": 1, "maximum": 1000},
        "previous_page_uri": nullable(URI),
        "start": whole,
        "uri": URI,
    }
    return {"type": "object", "properties": properties, "required": [*properties]}


QUERY: Schema = {
    "To": ADDRESS,
    "From": SENDER,
    "DateSent": DAY_OR_TIME,
    "DateSent>": DAY_OR_TIME,
    "DateSent<": DAY_OR_TIME,
    "PageSize": {"type": "integer", "minimum": 1, "maximum": 1000},
    "Page": {"type": "integer", "minimum": 0},
    "PageToken": {"type": "string", "pattern": "^P[AB]"},
}
"""The parameters of a list."""


def _parameters(place: str, schemas: Schema) -> list[Schema]:
    return [
        {"name": name, "in": place, "required": place == "path", "schema": schema}
        for name, schema in schemas.items()
    ]


def _answers(status: str, schema: Schema) -> Schema:
    error = {"description": "error", "content": {"application/json": {"schema": ERROR}}}
    good = {"description": "done", "content": {"application/json": {"schema": schema}}}
    return {status: good} | {code: error for code in ("400", "401", "404", "429")}


def _get(operation: str, schema: Schema, query: Schema | None = None) -> Schema:
    return {
        "operationId": operation,
        "security": [{"basic": []}],
        "parameters": _parameters("query", query or {}),
        "responses": _answers("200", schema),
    }


def document() -> Schema:
    """The whole description."""
    account, one = {"account_sid": sid("AC")}, {"account_sid": sid("AC"), "sid": sid("SM", "MM")}
    form = {
        "schema": SEND,
        # One field for each file, as Twilio has it.
        "encoding": {"MediaUrl": {"style": "form", "explode": True}},
    }
    send = {
        "operationId": "CreateMessage",
        "security": [{"basic": []}],
        "requestBody": {
            "required": True,
            "content": {"application/x-www-form-urlencoded": form},
        },
        "responses": _answers("201", MESSAGE),
    }
    return {
        "openapi": "3.0.3",
        "info": {"title": "Twilio's Messages", "version": API_VERSION},
        "servers": [{"url": "https://api.twilio.com"}],
        "components": {"securitySchemes": {"basic": {"type": "http", "scheme": "basic"}}},
        "paths": {
            LIST: {
                "parameters": _parameters("path", account),
                "post": send,
                "get": _get("ListMessage", page("messages", MESSAGE), QUERY),
            },
            FETCH: {"parameters": _parameters("path", one), "get": _get("FetchMessage", MESSAGE)},
            MEDIA: {
                "parameters": _parameters("path", one),
                "get": _get("ListMedia", page("media_list", ONE_MEDIA)),
            },
        },
    }
