"""Real servers for development and tests, from Python packages only: Kafka and PostgreSQL."""
