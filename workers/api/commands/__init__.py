"""Everything that the API publishes, and how it learns what became of it.

    request ── bodies ──> command ── publishing ──> Kafka ──> workers ──> results, inbox.commands
                             │                                               │
                          waiting <───────────── follower, poll ─────────────┘

`gateway` puts the parts together: one producer, one consumer and one poll of Postgres in a process,
however many requests wait.
"""
