"""Our Kafka clients: consumers, producers, and the administration of topics."""
