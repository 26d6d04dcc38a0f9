"""The fault suite: a load with a history, a nemesis, and a checker that reads what is left."""
