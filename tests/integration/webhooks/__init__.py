"""Integration tests of workers/webhooks/."""
