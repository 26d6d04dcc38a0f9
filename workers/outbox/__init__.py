"""What a transaction emits, and its way to Kafka, exactly once."""
