"""A quick run: each kind of fault at least once, and the whole checker afterwards."""

from pathlib import Path

import pytest

from tests.faults.report import as_text
from tests.faults.run import run
from tests.faults.timing import QUICK

pytestmark = [pytest.mark.long, pytest.mark.busy, pytest.mark.seconds(125)]

SEED = 1


@pytest.mark.timeout(900)
async def test_every_promise_holds_under_every_kind_of_fault(tmp_path: Path) -> None:
    result = await run(tmp_path, QUICK, SEED)
    assert result.holds, as_text(result)
