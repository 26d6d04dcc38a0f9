"""Unit tests of workers/dead_letters/."""
