"""The batch loop, the agents and the relay, simulated: every order, every crash, from one seed.

What runs is the product: `BatchLoop`, the agents of `AGENTS`, the rules, `Outbox`, `Shard`. What
is simulated is below it: a Postgres of dicts with transactions and row locks, a Kafka of lists with
transactions and fencing, the consumer group, and time. Each statement and each request waits for
its turn, and the simulation chooses whose turn it is, and whether it fails, or its worker dies.

Real servers cannot be asked for a certain interleaving, let alone for the same one again; that is
all this is for. It complements the tests with real servers and replaces none of them: whether
Postgres and Kafka do what is supposed here, and whether the SQL says it, only they can tell.
"""
