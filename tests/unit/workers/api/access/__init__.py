"""Unit tests of workers/api/access/."""
