"""Commands start without the libraries that they do not use."""

import subprocess
import sys

import pytest

from workers.cli import inbox
from workers.cli.dev import EMBEDDED


def imported_by(statement: str) -> set[str]:
    """The top-level packages that a process has imported after a statement."""
    program = f"import sys; {statement}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    completed = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, text=True
    )
    return set(completed.stdout.split())


def test_the_command_line_does_not_need_the_extra() -> None:
    assert not imported_by("import workers.cli") & set(EMBEDDED)


@pytest.mark.parametrize("statement", ["import workers.cli", "import workers.dev.run"])
def test_commands_start_without_faust(statement: str) -> None:
    # `inbox worker` and `inbox faust` import it when they run.
    assert {"worker", "faust"} <= inbox.commands.keys()
    assert not imported_by(statement) & {"faust", "mode"}
