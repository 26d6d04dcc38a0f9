"""Integration tests of workers/dev/embedded/."""
