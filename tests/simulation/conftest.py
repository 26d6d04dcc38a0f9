"""For all tests of the simulation."""

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def quiet_workers() -> Iterator[None]:
    """Let the simulated workers log nothing: their servers fail all the time."""
    logger = logging.getLogger("workers")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    yield
    logger.setLevel(level)
