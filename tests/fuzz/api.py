"""Asks the API what its own OpenAPI document allows, and what it forbids, with schemathesis.

Each answer has to be as the document says: the status, the headers, the content, never a 5xx, and a
refusal for what the document forbids. Half of the requests name what is in the account.
"""

import math
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks, not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import FailureGroup

CHECKED = (
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
REFUSED = "negative_data_rejection"

REQUEST_SECONDS = 30
STREAM = "text/event-stream"


class ApiFuzzer:
    """Asks every operation of a document but the streams."""

    def __init__(
        self,
        url: str,
        document: dict[str, Any],
        headers: Mapping[str, str],
        known: Mapping[str, list[str]],
    ) -> None:
        """`headers` say who asks. `known` has values of fields of paths that are in the account, by
        the beginning of the path and the name, as `conversations.id`."""
        load_all_checks()
        self._url = url + document["servers"][0]["url"]
        self._headers = dict(headers)
        self._known = {name: cycle(values) for name, values in known.items()}
        schema = schemathesis.openapi.from_dict(document, config=SchemathesisConfig())
        found: Any = schema.get_all_operations()
        self._operations = [each.ok() for each in found if not _is_stream(each.ok())]
        self._checks = [not_a_server_error, *CHECKS.get_by_names(list(CHECKED))]
        self._refused = CHECKS.get_by_names([REFUSED])
        self._session = requests.Session()
        self.statuses: Counter[tuple[str, int]] = Counter()
        """How often each operation answered each status."""

    @property
    def names(self) -> list[str]:
        """The names of the operations that are asked."""
        return [each.definition.raw["operationId"] for each in self._operations]

    def ask_all(self, seed_: int, examples: int, deadline: float = math.inf) -> Iterator[str]:
        """Ask each operation in four ways so many times. Yields what was wrong, with the request to
        repeat it. Asks no further operation after the deadline, a time of `time.monotonic`.
        """
        for name, operation in zip(self.names, self._operations, strict=True):
            if time.monotonic() > deadline:
                return
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                for path in (None, self._known_path(operation)):
                    if path != {}:
                        strategy = operation.as_strategy(generation_mode=mode, path_parameters=path)
                        try:
                            self._ask(name, strategy, mode, seed_, examples)
                        except (AssertionError, FailureGroup, requests.RequestException) as error:
                            yield f"{name}, {mode.value}, seed {seed_}: {_text(error)}"
                        except Unsatisfiable:
                            # It takes nothing that could be wrong.
                            assert mode.is_negative, name

    def _known_path(self, operation: Any) -> dict[str, str]:
        """Returns a path of something that is there, unless it would be gone afterwards."""
        if operation.method == "delete" or operation.path.endswith("/delete"):
            return {}
        subject = operation.path.split("/")[1]
        names = {f"{subject}.{each.name}": each.name for each in operation.path_parameters}
        return {names[name]: next(self._known[name]) for name in names.keys() & self._known.keys()}

    def _ask(
        self,
        name: str,
        strategy: st.SearchStrategy[Any],
        mode: GenerationMode,
        seed_: int,
        examples: int,
    ) -> None:
        refused = self._refused if mode.is_negative else []

        @seed(seed_)
        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=strategy)
        def ask(case: Any) -> None:
            response = case.call(
                self._url, self._session, headers=self._headers, timeout=REQUEST_SECONDS
            )
            self.statuses[name, response.status_code] += 1
            # An empty list or object is sent as no parameter at all, which is allowed.
            sent = {name for name, _ in parse_qsl(urlsplit(response.request.url).query)}
            is_sent = sent >= set(case.query or ())
            checks = self._checks + (refused if is_sent else [])
            case.validate_response(response, checks=checks)

        ask()


def _text(error: BaseException) -> str:
    parts: Sequence[BaseException] = (
        error.exceptions if isinstance(error, FailureGroup) else [error]
    )
    return "\n".join(f"{type(each).__name__} {each}" for each in parts)[:3000]


def _is_stream(operation: Any) -> bool:
    answers: dict[str, Any] = operation.definition.raw["responses"]
    return any(STREAM in answer.get("content", {}) for answer in answers.values())
