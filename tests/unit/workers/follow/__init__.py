"""Unit tests of workers/follow/."""
