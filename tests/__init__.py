"""Unit tests need nothing running; integration and end-to-end tests run real servers."""
