"""The OpenAPI 3.1 document of the API, made from the table of its operations."""

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Literal

import msgspec
from msgspec import Struct

from workers.api.access.cookies import SECURE_NAME
from workers.api.commands.outcomes import CommandPending
from workers.api.handling import common_codes
from workers.api.operation import PREFIX, Operation
from workers.api.problem import PROBLEM_TYPE, ProblemDetails, status_of

VERSION = "1"
"""Of the API, as its paths have it. Within a version fields and operations are only added."""

_REFERENCE = "#/components/schemas/{name}"

_DESCRIPTION = """\
The inbox over HTTP. Times are RFC 3339 in UTC. What belongs to another account is 404. Clients
ignore fields and events that they do not know."""

_SECURITY = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A token of the company, which names the account and the user.",
    },
    "cookie": {
        "type": "apiKey",
        "in": "cookie",
        "name": SECURE_NAME,
        "description": "What POST /session sets, for browsers.",
    },
}

_LOCATION = {"Location": {"schema": {"type": "string"}, "description": "Where its outcome is."}}
_RETRY_AFTER = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}}
_ANSWER_HEADERS: dict[int, dict[str, Any]] = {
    401: {"WWW-Authenticate": {"schema": {"type": "string"}, "description": "As in RFC 6750."}},
    429: _RETRY_AFTER,
    503: _RETRY_AFTER,
}


def document(operations: Sequence[Operation]) -> dict[str, Any]:
    """Returns the document, as it is encoded."""
    paths: dict[str, dict[str, Any]] = {}
    schemas = _Schemas(operations)
    for operation in operations:
        path = paths.setdefault(operation.address, {})
        path[operation.method.lower()] = _operation(operation, schemas)
    whole = {
        "openapi": "3.1.0",
        "info": {"title": "Inbox", "version": VERSION, "description": _DESCRIPTION},
        "servers": [{"url": PREFIX}],
        "paths": paths,
        "components": {"schemas": schemas.components, "securitySchemes": _SECURITY},
    }
    usual: dict[str, Any] = _with_usual_patterns(whole)
    return usual


class _Schemas:
    """The schemas of all types of the operations."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        types: dict[int, Any] = {id(ProblemDetails): ProblemDetails}
        for operation in operations:
            of_json = operation.answers.values() if operation.answers_json else ()
            types |= {id(each): each for each in (operation.body, *of_json) if each is not None}
        made, self.components = msgspec.json.schema_components(
            types.values(), ref_template=_REFERENCE
        )
        self._made = dict(zip(types, made, strict=True))

    def of(self, type_: Any) -> dict[str, Any]:
        """Returns the schema of the type of a body or an answer."""
        return self._made[id(type_)]


def _operation(operation: Operation, schemas: _Schemas) -> dict[str, Any]:
    made: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "tags": [operation.address.split("/")[1]],
        "parameters": [
            *_parameters("path", operation.path),
            *_parameters("query", operation.query),
            *_headers(operation),
        ],
        "responses": _answers(operation, schemas) | _problems(operation),
        "security": [] if operation.is_public else [{name: []} for name in _SECURITY],
    }
    if operation.body is not None:
        content = {"application/json": {"schema": schemas.of(operation.body)}}
        made["requestBody"] = {"required": not operation.body_is_optional, "content": content}
    return made


def _parameters(place: Literal["path", "query"], struct: type[Struct]) -> list[dict[str, Any]]:
    (_,), components = msgspec.json.schema_components([struct], ref_template=_REFERENCE)
    schema = components[struct.__name__]
    return [
        _parameter(place, name, of, required=name in schema["required"])
        for name, of in schema["properties"].items()
    ]


def _headers(operation: Operation) -> list[dict[str, Any]]:
    return [
        _parameter("header", name, msgspec.json.schema(type_), required=False)
        for name, type_ in operation.headers.items()
    ]


def _parameter(place: str, name: str, schema: dict[str, Any], *, required: bool) -> dict[str, Any]:
    schema = dict(schema)
    choices = schema.pop("anyOf", None)
    if choices:
        # A parameter that may be left out is None, which no client can write.
        schema |= next(each for each in choices if each != {"type": "null"})
    if schema.get("default", 0) is None:
        del schema["default"]
    made = {"name": name, "in": place, "required": required, "schema": schema}
    if description := schema.pop("description", None):
        made["description"] = description
    return made


def _answers(operation: Operation, schemas: _Schemas) -> dict[str, Any]:
    made = {}
    for status, type_ in operation.answers.items():
        answer = _described(status)
        if type_ is CommandPending:
            answer["headers"] = _LOCATION
        if type_ is not None:
            of_json = {"schema": schemas.of(type_)} if operation.answers_json else {}
            answer["content"] = {operation.content_type: of_json}
        made[str(status)] = answer
    return made


def _problems(operation: Operation) -> dict[str, Any]:
    codes: dict[int, set[str]] = {}
    for code in (*common_codes(operation), *operation.codes, *operation.codes_of_repeats):
        codes.setdefault(status_of(code), set()).add(str(code))
    return {str(status): _problem(status, sorted(codes[status])) for status in sorted(codes)}


def _problem(status: int, codes: list[str]) -> dict[str, Any]:
    schema = {
        "allOf": [{"$ref": _REFERENCE.format(name=ProblemDetails.__name__)}],
        "properties": {"status": {"const": status}, "code": {"enum": codes}},
    }
    return _described(status) | {"content": {PROBLEM_TYPE: {"schema": schema}}}


def _described(status: int) -> dict[str, Any]:
    headers = _ANSWER_HEADERS.get(status)
    made: dict[str, Any] = {"description": HTTPStatus(status).phrase}
    return made | ({"headers": headers} if headers else {})


def _with_usual_patterns(value: Any) -> Any:
    r"""Returns a value whose patterns end with `$`: those of JavaScript, and so of OpenAPI, have no
    `\Z`."""
    if isinstance(value, dict):
        return {
            name: re.sub(r"\\Z\Z", "$", each)
            if name == "pattern" and isinstance(each, str)
            else _with_usual_patterns(each)
            for name, each in value.items()
        }
    if isinstance(value, list):
        return [_with_usual_patterns(each) for each in value]
    return value
