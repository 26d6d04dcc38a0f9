"""The OpenAPI document says of every operation what it takes, and what it answers."""

import json
import re
from typing import Annotated, Any

import pytest
from msgspec import Meta
from openapi_spec_validator import OpenAPIV31SpecValidator

from schemas.codes import RejectionCode
from tests.unit.workers.api.given import Body, Path, Query, operation
from workers.api.commands.outcomes import CommandPending
from workers.api.encoding import encode
from workers.api.handling import common_codes
from workers.api.openapi import document
from workers.api.operation import Operation
from workers.api.problem import status_of
from workers.api.table import OPERATIONS

WHOLE: dict[str, Any] = json.loads(encode(document(OPERATIONS)))


def of(name: str, whole: dict[str, Any] = WHOLE) -> dict[str, Any]:
    """Returns what a document says of an operation."""
    (found,) = (
        each
        for path in whole["paths"].values()
        for each in path.values()
        if each["operationId"] == name
    )
    return dict(found)


def test_the_validator_accepts_the_document() -> None:
    OpenAPIV31SpecValidator(WHOLE).validate()


def test_the_document_has_every_operation() -> None:
    documented = {
        (method.upper(), path) for path, methods in WHOLE["paths"].items() for method in methods
    }
    assert documented == {(each.method, each.address) for each in OPERATIONS}


def test_each_schema_has_a_name_of_its_own() -> None:
    # msgspec writes the module before the names of two structs that have the same.
    assert [name for name in WHOLE["components"]["schemas"] if "." in name] == []


def test_patterns_are_those_of_javascript() -> None:
    assert re.findall(r'"pattern":\s*"[^"]*\\Z', json.dumps(WHOLE)) == []
    text = Annotated[str, Meta(pattern=r"^[a-z]+\Z")]
    made = document([operation(headers={"X-Text": text})])
    (parameter,) = of("echo", made)["parameters"]
    assert parameter["schema"]["pattern"] == "^[a-z]+$"


def test_parameters_have_their_limits() -> None:
    made = document(
        [operation(address="/echo/{number}", path=Path, query=Query, body=Body, method="POST")]
    )
    echo = of("echo", made)
    number, limit, name = echo["parameters"]
    assert number == {
        "name": "number",
        "in": "path",
        "required": True,
        "schema": {"type": "integer", "minimum": 1, "maximum": 99},
    }
    assert limit["schema"] == {"type": "integer", "minimum": 1, "maximum": 100, "default": 50}
    assert name == {
        "name": "name",
        "in": "query",
        "required": False,
        "schema": {"type": "string", "maxLength": 10},
    }
    content = echo["requestBody"]["content"]["application/json"]["schema"]
    assert content == {"$ref": "#/components/schemas/Body"}
    assert made["components"]["schemas"]["Body"]["additionalProperties"] is False


@pytest.mark.parametrize("each", OPERATIONS, ids=lambda each: each.name)
def test_a_body_is_required_unless_it_may_be_empty(each: Operation) -> None:
    required = of(each.name).get("requestBody", {}).get("required")
    may_be_empty = {
        "closeConversation",
        "deleteConversation",
        "reopenConversation",
        "reply",
    }
    assert required == (None if each.body is None else each.name not in may_be_empty)


@pytest.mark.parametrize("each", OPERATIONS, ids=lambda each: each.name)
def test_an_operation_says_every_problem_by_its_code(each: Operation) -> None:
    documented = {
        (int(status), code)
        for status, answer in of(each.name)["responses"].items()
        if "application/problem+json" in answer.get("content", {})
        for code in answer["content"]["application/problem+json"]["schema"]["properties"]["code"][
            "enum"
        ]
    }
    codes = [*common_codes(each), *each.codes, *each.codes_of_repeats]
    assert documented == {(status_of(code), code) for code in codes}


def test_a_code_of_a_rejection_may_be_one_of_the_api_too() -> None:
    answers = of("echo", document([operation(codes=(RejectionCode.NO_INBOX_ACCESS,))]))["responses"]
    assert "no_inbox_access" in str(answers["403"])
    assert "no_inbox_access" in str(answers["409"])


def test_who_may_ask_is_said_of_all_but_public_operations() -> None:
    for each in OPERATIONS:
        assert of(each.name)["security"] == (
            [] if each.is_public else [{"token": []}, {"cookie": []}]
        )


def test_headers_of_answers_are_documented() -> None:
    answers = of("echo", document([operation(answers={202: None})]))["responses"]
    assert answers["202"].keys() == {"description"}
    assert answers["401"]["headers"].keys() == {"WWW-Authenticate"}
    assert answers["429"]["headers"].keys() == answers["503"]["headers"].keys() == {"Retry-After"}


def test_a_stream_and_a_file_are_no_json() -> None:
    stream = operation(content_type="text/event-stream", answers={200: bytes})
    content = of("echo", document([stream]))["responses"]["200"]["content"]
    assert content == {"text/event-stream": {}}


def test_what_a_key_does_is_said_of_each_operation_that_takes_one() -> None:
    said = {
        each.name: parameter
        for each in OPERATIONS
        for parameter in of(each.name)["parameters"]
        if parameter["name"] == "Idempotency-Key"
    }
    again = {
        name for name, each in said.items() if "repeat is published again" in each["description"]
    }
    assert again == {"setAvailability", "setNotificationSettings"}
    for name in said.keys() - again:
        assert "a repeat changes nothing" in said[name]["description"]
    patterns = {name: each["schema"].get("pattern") for name, each in said.items()}
    assert {name for name, pattern in patterns.items() if pattern} == {"reply"}
    assert patterns["reply"] == "^[^/]*$"


def test_only_what_is_pending_has_a_location() -> None:
    located = {
        each.name
        for each in OPERATIONS
        for answer in of(each.name)["responses"].values()
        if "Location" in answer.get("headers", {})
    }
    assert located == {each.name for each in OPERATIONS if CommandPending in each.answers.values()}
    assert {"closeConversation", "readCommand"} <= located
