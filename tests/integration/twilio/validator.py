"""Checks requests and answers against an OpenAPI description, with the keywords that ours uses."""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qsl, urlencode

from bench.mock_twilio.ledger import LedgerRequest

Schema = dict[str, Any]
Pairs = tuple[tuple[str, str], ...]

TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "array": list,
    "object": dict,
}


class ApiRequest(NamedTuple):
    """A request to Twilio's API."""

    method: str
    path: str
    query: Pairs = ()
    form: Pairs = ()

    @property
    def target(self) -> str:
        """The path with its query."""
        return f"{self.path}?{urlencode(self.query)}" if self.query else self.path

    @classmethod
    def from_ledger(cls, requests: Iterable[LedgerRequest]) -> list[Self]:
        """The requests in a mock's ledger."""
        return [
            cls(request.method, request.path, _pairs(request.query), _pairs(request.body))
            for request in requests
        ]


def _pairs(encoded: str) -> Pairs:
    return tuple(parse_qsl(encoded, keep_blank_values=True))


class Judge:
    """Lists what is wrong with requests and answers."""

    def __init__(self, document: Schema) -> None:
        self._paths: Schema = document["paths"]

    def of_request(self, request: ApiRequest) -> list[str]:
        """What is wrong with a request."""
        template, values = self._match(request.path)
        if request.method.lower() not in self._paths[template]:
            return [f"there is no {request.method} {request.path}"]
        operation = self._operation(request)
        parameters = self._paths[template]["parameters"] + operation.get("parameters", [])
        wrong = list(_parameters(parameters, {"path": values, "query": dict(request.query)}))
        if "requestBody" in operation:
            [content] = operation["requestBody"]["content"].values()
            wrong += check(_fields(content["schema"], request.form), content["schema"], "form")
        return wrong

    def of_answer(self, request: ApiRequest, status: int, body: object) -> list[str]:
        """What is wrong with an answer."""
        answers = self._operation(request)["responses"]
        if str(status) not in answers:
            return [f"{status} is no documented status"]
        [content] = answers[str(status)]["content"].values()
        return list(check(body, content["schema"], "answer"))

    def _operation(self, request: ApiRequest) -> Schema:
        operation: Schema = self._paths[self._match(request.path)[0]][request.method.lower()]
        return operation

    def _match(self, path: str) -> tuple[str, dict[str, str]]:
        for template in self._paths:
            pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(template))
            if matched := re.fullmatch(pattern, path):
                return template, matched.groupdict()
        raise ValueError(f"{path} is not described")


def _parameters(parameters: list[Schema], given: dict[str, dict[str, str]]) -> Iterator[str]:
    for parameter in parameters:
        value: Any = given[parameter["in"]].get(parameter["name"])
        schema = parameter["schema"]
        if value is None:
            continue
        if schema["type"] == "integer" and re.fullmatch("-?[0-9]+", value):
            value = int(value)
        yield from check(value, schema, parameter["name"])
    named = {parameter["name"] for parameter in parameters if parameter["in"] == "query"}
    yield from (f"{name}: not documented" for name in given["query"].keys() - named)


def _fields(schema: Schema, form: Pairs) -> dict[str, Any]:
    """A form as an object, in which fields that may be repeated are lists."""
    fields: dict[str, Any] = {}
    for name, value in form:
        if schema["properties"].get(name, {}).get("type") == "array":
            fields.setdefault(name, []).append(value)
        else:
            fields[name] = value
    return fields


def check(value: Any, schema: Schema, where: str) -> Iterator[str]:
    """What is wrong with a value. Raises KeyError for a keyword that is not supported here."""
    if value is None and schema.get("nullable"):
        return
    for keyword, rule in schema.items():
        yield from (f"{where}: {wrong}" for wrong in KEYWORDS[keyword](value, rule, schema))


def _type(value: Any, rule: str, _schema: Schema) -> Iterator[str]:
    if not isinstance(value, TYPES[rule]) or isinstance(value, bool):
        yield f"{value!r} is no {rule}"


def _pattern(value: Any, rule: str, _schema: Schema) -> Iterator[str]:
    if isinstance(value, str) and not re.search(rule, value):
        yield f"{value!r} is not like {rule}"


def _enum(value: Any, rule: list[Any], _schema: Schema) -> Iterator[str]:
    if value not in rule:
        yield f"{value!r} is none of {rule}"


def _limits(value: Any, _rule: int, schema: Schema) -> Iterator[str]:
    if isinstance(value, int) and not (
        schema.get("minimum", value) <= value <= schema.get("maximum", value)
    ):
        yield f"{value} is outside the limits"


def _size(value: Any, rule: int, _schema: Schema) -> Iterator[str]:
    if isinstance(value, str | list) and len(value) > rule:
        yield f"{len(value)} is more than {rule}"


def _items(value: Any, rule: Schema, _schema: Schema) -> Iterator[str]:
    for number, item in enumerate(value if isinstance(value, list) else []):
        yield from check(item, rule, f"{number}")


def _properties(value: Any, rule: Schema, _schema: Schema) -> Iterator[str]:
    for name, schema in rule.items():
        if isinstance(value, dict) and name in value:
            yield from check(value[name], schema, name)


def _additional(value: Any, rule: bool, schema: Schema) -> Iterator[str]:
    if not rule and isinstance(value, dict):
        yield from (f"{name}: not documented" for name in value.keys() - schema["properties"])


def _required(value: Any, rule: list[str], _schema: Schema) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (f"{name} is missing" for name in rule if name not in value)


def _any_of(value: Any, rule: list[Schema], _schema: Schema) -> Iterator[str]:
    if all(any(check(value, schema, "")) for schema in rule):
        yield f"is none of {rule}"


def _all_of(value: Any, rule: list[Schema], _schema: Schema) -> Iterator[str]:
    for schema in rule:
        yield from check(value, schema, "")


def _not(value: Any, rule: Schema, _schema: Schema) -> Iterator[str]:
    if not any(check(value, rule, "")):
        yield f"must not be {rule}"


def _nothing(_value: Any, _rule: Any, _schema: Schema) -> Iterator[str]:
    yield from ()


KEYWORDS: dict[str, Callable[[Any, Any, Schema], Iterator[str]]] = {
    "type": _type,
    "pattern": _pattern,
    "enum": _enum,
    "minimum": _limits,
    "maximum": _limits,
    "maxLength": _size,
    "maxItems": _size,
    "items": _items,
    "properties": _properties,
    "additionalProperties": _additional,
    "required": _required,
    "anyOf": _any_of,
    "allOf": _all_of,
    "not": _not,
    "nullable": _nothing,
}
