"""What the records of each topic do: load, decide, save. `table` lists the agents."""
