"""Integration tests of workers/agents/."""
