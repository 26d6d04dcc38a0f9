"""What is left out of the settings where Kafka is embedded."""

from dataclasses import replace

from workers.dev.stack import kafka_security_defaults
from workers.settings import Settings

SECURITY = {
    "INBOX_KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
    "INBOX_KAFKA_SECURITY_USERNAME": "inbox",
    "INBOX_KAFKA_SECURITY_PASSWORD": "kafka-secret",
}
OTHERS = {"INBOX_PARTITIONS": "3", "INBOX_API_TRUSTED_NETWORKS": "10.0.0.0/8"}


def test_the_security_of_another_kafka_is_left_out_and_nothing_else() -> None:
    given = Settings.from_environment(SECURITY | OTHERS)
    assert replace(given, **kafka_security_defaults()) == Settings.from_environment(OTHERS)
