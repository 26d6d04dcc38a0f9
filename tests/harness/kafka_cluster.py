"""A Kafka of three brokers. The first is the only controller, so it has to keep running."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.harness.processes import QuickKafka
from workers.dev.embedded.kafka import brokers, cluster_id
from workers.dev.embedded.ports import HOST, free_port
from workers.dev.embedded.process import EmbeddedServerError, wait_until

BROKERS = 3
CLUSTER_SECONDS = 60

INTERNAL_TOPICS = {
    f"{topic}.{setting}": value
    for topic in ("transaction.state.log", "share.coordinator.state.topic")
    for setting, value in (("replication.factor", "3"), ("min.isr", "2"))
} | {"offsets.topic.replication.factor": "3"}


class Broker(QuickKafka):
    """One broker of a cluster."""

    def __init__(self, directory: Path, number: int, cluster: str, controller: str) -> None:
        super().__init__(directory, heap_megabytes=256)
        self._number = number
        self._cluster = cluster
        self._controller = controller

    def _create_data(self, directory: Path) -> None:
        settings = self._write_settings("format.properties", directory)
        quorum = "--standalone" if self._number == 1 else "--no-initial-controllers"
        tool = ["kafka.tools.StorageTool", "format", quorum]
        self._run_tool([*self._java(), *tool, "-t", self._cluster, "-c", str(settings)])

    def _write_settings(self, name: str, data: Path) -> Path:
        file = super()._write_settings(name, data)
        settings = dict(line.split("=", 1) for line in file.read_text().splitlines())
        listeners = f"BROKER://{self.bootstrap}"
        if self._number == 1:
            listeners += f",CONTROLLER://{self._controller}"
        else:
            settings["process.roles"] = "broker"
        settings |= INTERNAL_TOPICS | {
            "node.id": str(self._number),
            "listeners": listeners,
            "controller.quorum.bootstrap.servers": self._controller,
            # A broker that is stopped is soon no replica that others wait for.
            "replica.lag.time.max.ms": "3000",
        }
        file.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
        return file


@contextmanager
def kafka_cluster(directory: Path) -> Iterator[list[Broker]]:
    """Start three brokers, and kill them at the end. Raises EmbeddedServerError."""
    cluster, controller = cluster_id(), f"{HOST}:{free_port()}"
    with ExitStack() as stack:
        made = [
            Broker(directory / f"broker-{number}", number, cluster, controller)
            for number in range(1, BROKERS + 1)
        ]
        for broker in made:
            stack.callback(broker.kill)
            broker.start()
        if not wait_until(lambda: brokers(made[0].port) == BROKERS, CLUSTER_SECONDS):
            raise EmbeddedServerError("the brokers do not know each other")
        yield made
