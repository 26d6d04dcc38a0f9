"""Integration tests of workers/ingest/."""
