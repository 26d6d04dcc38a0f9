"""Unit tests of workers/process/."""
