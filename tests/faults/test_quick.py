"""Every kind of fault at least once, within minutes, and the whole checker afterwards."""

from pathlib import Path

import pytest

from tests.faults.pace import QUICK
from tests.faults.report import as_text
from tests.faults.run import run

SEED = 1


@pytest.mark.timeout(900)
async def test_every_promise_holds_under_every_kind_of_fault(tmp_path: Path) -> None:
    outcome = await run(tmp_path, QUICK, SEED)
    assert outcome.holds, as_text(outcome)
