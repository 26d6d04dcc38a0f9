"""What several processes of one run of pytest share (`-n`): the plan, and one Kafka."""

from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from tests.harness.plan import Plan, file_of, longest_first, make_plan
from tests.harness.progress import Progress
from workers.dev.embedded.kafka import EmbeddedKafka
from workers.dev.embedded.process import EmbeddedServerError, wait_until

KAFKA_SECONDS = 120
"""How long a process waits until the controller has started Kafka."""


class QuickKafka(EmbeddedKafka):
    """A Kafka for short tests: it compiles its code once and simply, for a third less CPU."""

    def _java(self, *options: str) -> list[str]:
        return super()._java("-XX:TieredStopAtLevel=1", *options)


class Scheduling(LoadFileScheduling):  # type: ignore[misc]  # xdist has no types
    """Gives each process one file after the other, and all busy files to the same process."""

    def __init__(self, config: pytest.Config, log: Producer, controller: "Controller") -> None:
        super().__init__(config, log)
        self._controller = controller

    def _split_scope(self, nodeid: str) -> str:
        """Returns the name of what only one process passes: a file, or all that are busy."""
        assert self._controller.plan is not None
        file = file_of(nodeid)
        return "busy" if self._controller.plan.files[file].busy else file


class Controller:
    """Plugin of the process that starts the others, and gives them their tests."""

    def __init__(self, progress: Progress | None) -> None:
        self.plan: Plan | None = None
        """There is none until the first process has collected the tests."""
        self._progress = progress
        self._shared = TemporaryDirectory(prefix="inbox-tests-")
        self._kafka = QuickKafka(_kafka_directory(self._shared.name))
        self._kafka_start: Thread | None = None

    def pytest_configure_node(self, node: Any) -> None:
        """Pass on to a process where the shared files are."""
        node.workerinput["shared"] = self._shared.name

    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Producer) -> Scheduling:
        """Replace xdist's scheduler."""
        return Scheduling(config, log, self)

    def pytest_xdist_node_collection_finished(self, node: Any) -> None:
        """Take the plan of the first process. Kafka starts while tests without it run."""
        if self.plan is not None:
            return
        self.plan = Plan.read(_plan_file(self._shared.name, node.gateway.id))
        if self._progress:
            self._progress.begin(self.plan)
        if self.plan.needs_kafka:
            self._kafka_start = Thread(target=self._start_kafka, name="start Kafka")
            self._kafka_start.start()

    def _start_kafka(self) -> None:
        error = ""
        try:
            self._kafka.start()
        except EmbeddedServerError as failure:
            error = str(failure)
        _outcome_file(self._shared.name).write_text(f"{error}\n")

    def pytest_unconfigure(self) -> None:
        """End Kafka: killed, since its data are not kept, and to stop takes it seconds."""
        if self._kafka_start:
            self._kafka_start.join()
            self._kafka.kill()
        self._shared.cleanup()


class Process:
    """Plugin of a process that the controller gives tests to."""

    def __init__(self, workerinput: dict[str, Any]) -> None:
        self._id = workerinput["workerid"]
        self._shared = workerinput["shared"]

    @pytest.hookimpl(trylast=True)  # the tests that are left out have been removed by then
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Sort the tests, and write the plan for the controller."""
        items[:] = longest_first(items)
        make_plan(items).write(_plan_file(self._shared, self._id))

    def kafka(self) -> EmbeddedKafka:
        """Wait until the shared Kafka runs. A test may not stop it. Raises EmbeddedServerError."""
        outcome = _outcome_file(self._shared)
        if not wait_until(lambda: outcome.exists() and outcome.read_text() != "", KAFKA_SECONDS):
            raise EmbeddedServerError("the controller of the tests has started no Kafka")
        if error := outcome.read_text().strip():
            raise EmbeddedServerError(error)
        return QuickKafka(_kafka_directory(self._shared))


def _plan_file(shared: str, process: str) -> Path:
    return Path(shared) / f"plan-{process}.json"


def _kafka_directory(shared: str) -> Path:
    return Path(shared) / "kafka"


def _outcome_file(shared: str) -> Path:
    """Returns the file that is written when Kafka has started, with the error if it has not."""
    return Path(shared) / "kafka-start"
