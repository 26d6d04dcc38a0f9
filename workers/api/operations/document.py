"""The OpenAPI document of the API, which describes this operation too."""

from functools import cache
from typing import Any

from workers.api.openapi import document
from workers.api.operation import Call, Operation


def with_document(*operations: Operation) -> tuple[Operation, ...]:
    """Returns the operations, and the one that answers the document of all of them.

    It is public: it holds no data, and programs that make clients of it have no token.
    """

    async def read_document(_api: Any, _call: Call) -> Any:
        return made()

    @cache
    def made() -> dict[str, Any]:
        return document(all_operations)

    of_document = Operation(
        name="readDocument",
        method="GET",
        address="/openapi.json",
        summary="This document, in OpenAPI 3.1.",
        handle=read_document,
        answers={200: dict[str, Any]},
        is_public=True,
    )
    all_operations = (*operations, of_document)
    return all_operations
