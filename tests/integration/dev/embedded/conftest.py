"""An embedded Kafka and an embedded Postgres for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from workers.dev.embedded.kafka import EmbeddedKafka
from workers.dev.embedded.postgres import EmbeddedPostgres


@pytest.fixture
def kafka(tmp_path: Path) -> Iterator[EmbeddedKafka]:
    with EmbeddedKafka(tmp_path / "kafka") as server:
        yield server


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(tmp_path / "postgres") as server:
        yield server
