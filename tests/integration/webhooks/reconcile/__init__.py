"""Integration tests of workers/webhooks/reconcile.py, through `inbox reconcile`."""
