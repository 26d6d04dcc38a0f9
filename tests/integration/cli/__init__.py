"""Integration tests of workers/cli/."""
