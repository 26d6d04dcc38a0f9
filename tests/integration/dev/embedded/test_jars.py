"""Kafka's jars are fetched once; a fetch that fails or is interrupted is noticed."""

from pathlib import Path

import pytest
from jgo.maven import PythonResolver

from workers.dev.embedded import jars
from workers.dev.embedded.kafka import EmbeddedKafka, brokers
from workers.dev.embedded.process import EmbeddedServerError


def test_kafka_that_cannot_be_fetched_says_so_and_names_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(PythonResolver, "resolve", fail)
    monkeypatch.setattr(jars, "cache_directory", lambda: tmp_path / "cache")
    with pytest.raises(EmbeddedServerError, match=r"no route to host.*INBOX_KAFKA"):
        EmbeddedKafka(tmp_path / "kafka").start()


def test_kafka_is_fetched_again_when_a_jar_was_cut_short(tmp_path: Path) -> None:
    (tmp_path / "some.jar").write_bytes(b"12")
    (tmp_path / jars.MANIFEST).write_text('{"some.jar": 2}')
    assert jars.kept_jars(tmp_path) == [tmp_path / "some.jar"]
    (tmp_path / "some.jar").write_bytes(b"1")
    assert jars.kept_jars(tmp_path) == []


def test_kafka_starts_from_the_cache_without_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jars.kafka_jars()

    def fail(*_: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(PythonResolver, "resolve", fail)
    with EmbeddedKafka(tmp_path) as server:
        assert brokers(server.port) == 1
