"""Unit tests of db/."""
