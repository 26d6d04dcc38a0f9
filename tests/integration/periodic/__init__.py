"""Integration tests of workers/periodic/."""
