"""Unit tests of workers/cli/."""
