"""The state in Postgres: migrations, SQL by name, and functions that load and save in batches."""
