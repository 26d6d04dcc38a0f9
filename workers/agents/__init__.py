"""The agents: what the records of each topic do. `table` lists them all."""
