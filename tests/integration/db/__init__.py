"""Integration tests of db/."""
