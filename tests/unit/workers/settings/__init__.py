"""Unit tests of workers/settings/."""
