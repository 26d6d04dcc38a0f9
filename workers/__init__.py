"""When things happen: agents, batches, the relay, webhooks, the CLI, the embedded servers."""
