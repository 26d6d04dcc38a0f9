"""What every Kafka client of ours has in common: where Kafka is, and how it is reached."""

from typing import Any

from workers.settings import Settings, required


def client_arguments(settings: Settings) -> dict[str, Any]:
    """The first keyword arguments of an aiokafka client. Raises SettingsError without a Kafka."""
    brokers = list(required(settings.kafka, "INBOX_KAFKA"))
    return {"bootstrap_servers": brokers, **settings.kafka_security.arguments()}
