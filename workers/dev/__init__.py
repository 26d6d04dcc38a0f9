"""`inbox dev`: the whole system on one machine, and a small sales day played through it."""
