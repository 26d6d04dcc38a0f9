"""The live events of each account, as Server-Sent Events.

    topics ── feeds ──> feed of an account: what changed ── one query ──> events ──> its streams

The records of the topics say only what changed. What is sent is what Postgres shows afterwards,
at most four times a second, and encoded once for all streams of an account.
"""
