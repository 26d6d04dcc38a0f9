"""What `inbox doctor` checks: servers, topics, the schema, and records that were lost."""
