"""The table of operations fits together."""

import re

import pytest

from workers.api.operation import Operation
from workers.api.problem import status_of
from workers.api.table import OPERATIONS


def named(operation: Operation) -> str:
    return operation.name


def test_no_two_operations_have_one_name_or_one_address() -> None:
    assert len({operation.name for operation in OPERATIONS}) == len(OPERATIONS)
    addresses = {
        (operation.method, re.sub(r"\{\w+\}", "{}", operation.address)) for operation in OPERATIONS
    }
    assert len(addresses) == len(OPERATIONS)


@pytest.mark.parametrize("operation", OPERATIONS, ids=named)
def test_an_operation_decodes_what_its_address_names(operation: Operation) -> None:
    assert re.findall(r"\{(\w+)\}", operation.address) == [*operation.path.__struct_fields__]
    assert re.fullmatch(r"(/[a-z-]+(\.json)?|/\{\w+\})+", operation.address)


@pytest.mark.parametrize("operation", OPERATIONS, ids=named)
def test_an_operation_has_known_codes_and_a_sentence(operation: Operation) -> None:
    assert all(map(status_of, operation.codes))
    assert re.fullmatch(r"[a-z]+([A-Z][a-z]+)*", operation.name)
    assert operation.summary.endswith(".")
    assert operation.answers
    assert all(status < 400 for status in operation.answers)


@pytest.mark.parametrize("operation", OPERATIONS, ids=named)
def test_an_operation_refuses_fields_that_it_does_not_know(operation: Operation) -> None:
    for struct in (operation.path, operation.query):
        assert struct.__struct_config__.forbid_unknown_fields or not struct.__struct_fields__
    if isinstance(operation.body, type):
        assert operation.body.__struct_config__.forbid_unknown_fields
