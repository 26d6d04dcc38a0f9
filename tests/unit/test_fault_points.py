"""The points and mutants of the fault suite fit the product's functions."""

from inspect import iscoroutinefunction

import pytest

from tests.faults.mutants import MUTANTS
from tests.faults.points import POINTS
from tests.faults.product_functions import ProductFunction
from workers.ingest.batch_loop import BatchLoop


@pytest.mark.parametrize("name", POINTS)
def test_a_point_is_at_a_coroutine_of_the_product(name: str) -> None:
    assert iscoroutinefunction(POINTS[name].function.get())


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_replaces_each_function_by_one_of_its_kind(name: str) -> None:
    for function, replacement in MUTANTS[name].functions:
        assert iscoroutinefunction(function.get()) == iscoroutinefunction(replacement), function


def test_a_function_that_the_product_does_not_have_is_refused_at_once() -> None:
    with pytest.raises(AttributeError, match="_apply_never"):
        ProductFunction(BatchLoop, "_apply_never")
