"""Integration tests of workers/sending/."""
