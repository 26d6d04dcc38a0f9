"""Unit tests of workers/dev/embedded/."""
