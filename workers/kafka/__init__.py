"""Our Kafka clients, and what is published with them."""
