"""Unit tests of workers/ingest/."""
