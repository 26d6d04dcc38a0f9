"""Reports each file of tests as it ends, since the dots of several processes mean little."""

from collections import Counter, defaultdict
from collections.abc import Generator
from typing import Any

import pytest

from tests.harness.plan import Plan, file_of


class Progress:
    """Plugin that prints, instead of dots, the plan, each file that ends, and each failure."""

    def __init__(self, terminal: pytest.TerminalReporter, processes: int) -> None:
        self._terminal = terminal
        self._processes = processes
        self._plan: Plan | None = None
        self._files_ended = 0
        self._tests_ended: Counter[str] = Counter()
        self._outcomes: dict[str, Counter[str]] = {}
        self._seconds: dict[str, float] = defaultdict(float)
        terminal.showfspath = False

    def begin(self, plan: Plan) -> None:
        """Print what will be passed, and about how long it takes."""
        self._plan = plan
        minutes = round(plan.minutes(self._processes)) or 1
        self._terminal.write_line(
            f"\n{plan.tests} tests in {len(plan.files)} files, processes: {self._processes}. "
            f"On two cores that do nothing else, this takes about {minutes} min."
        )

    @pytest.hookimpl(wrapper=True)
    def pytest_report_teststatus(self) -> Generator[None, Any, Any]:
        """Let pytest count each test, but print no letter."""
        category, _letter, word = yield
        return category, "", word

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note one phase of a test: its setup, its call or its teardown."""
        file = file_of(report.nodeid)
        outcomes = self._outcomes.setdefault(file, Counter())
        self._seconds[file] += report.duration
        if report.failed:
            self._terminal.write_line(f"FAILED {report.nodeid} ({report.when})")
        if report.when == "call" or not report.passed:
            outcomes[report.outcome] += 1
        if report.when == "teardown":
            self._tests_ended[file] += 1
            if self._plan and self._tests_ended[file] == self._plan.files[file].tests:
                self._print_file(self._plan, file)

    def _print_file(self, plan: Plan, file: str) -> None:
        self._files_ended += 1
        number = f"[{self._files_ended}/{len(plan.files)}]"
        counts = ", ".join(f"{count} {what}" for what, count in self._outcomes[file].items())
        self._terminal.write_line(f"{number:>9} {file}: {counts} in {self._seconds[file]:.1f} s")
