"""Unit tests of workers/webhooks/spool/."""
