"""Integration tests of workers/worker/."""
