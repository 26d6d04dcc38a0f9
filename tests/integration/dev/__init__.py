"""Integration tests of workers/dev/."""
