"""Checkers of what a run left behind. Benchmarks, fault runs and tests use them alike.

A checker reads Postgres, whole topics and the ledger of the mock of Twilio, and raises
`bench.checkers.promises.Broken` when a promise of the inbox was not kept.
"""
