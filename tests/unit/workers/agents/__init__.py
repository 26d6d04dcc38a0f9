"""Unit tests of workers/agents/."""
