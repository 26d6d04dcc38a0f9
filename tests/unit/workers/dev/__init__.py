"""Unit tests of workers/dev/."""
