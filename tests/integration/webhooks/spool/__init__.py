"""Integration tests of workers/webhooks/spool/, on servers that the tests stop."""
