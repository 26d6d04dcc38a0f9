"""Real servers for development and tests, run from Python alone: Apache Kafka and PostgreSQL."""
