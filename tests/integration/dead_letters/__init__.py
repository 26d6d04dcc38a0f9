"""Integration tests of workers/dead_letters/."""
