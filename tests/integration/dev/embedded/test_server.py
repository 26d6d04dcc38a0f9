"""An embedded server can be paused, resumed and stopped; a failed start gives its reason."""

from pathlib import Path

import pytest

from tests.harness.waiting import LIMIT_SECONDS
from workers.dev.embedded.kafka import EmbeddedKafka, brokers
from workers.dev.embedded.ports import free_port, port_is_free
from workers.dev.embedded.postgres import EmbeddedPostgres
from workers.dev.embedded.process import EmbeddedServerError, wait_until


def test_a_paused_server_answers_nothing_until_it_is_resumed(kafka: EmbeddedKafka) -> None:
    kafka.pause()
    assert brokers(kafka.port) == 0
    assert kafka.running
    kafka.resume()
    assert wait_until(lambda: brokers(kafka.port) == 1, LIMIT_SECONDS)


def test_a_paused_postgres_can_be_stopped(postgres: EmbeddedPostgres) -> None:
    postgres.pause()
    postgres.stop()
    assert port_is_free(postgres.port)


def test_a_server_that_cannot_start_quotes_its_log(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path)
    with server:
        pass
    (server.data / "postgresql.conf").write_text("no_such_setting = 1\n")
    with pytest.raises(EmbeddedServerError, match="no_such_setting"):
        server.start()
    assert not server.running


def test_a_port_that_is_taken_is_named(tmp_path: Path, postgres: EmbeddedPostgres) -> None:
    with pytest.raises(EmbeddedServerError, match=f"port {postgres.port} .* is taken"):
        EmbeddedPostgres(tmp_path / "other", port=postgres.port).start()


def test_a_directory_in_use_is_not_started_twice(postgres: EmbeddedPostgres) -> None:
    other = EmbeddedPostgres(postgres.directory, port=free_port())
    other.lock_seconds = 0.1
    with pytest.raises(EmbeddedServerError, match="in use by another process"):
        other.start()
