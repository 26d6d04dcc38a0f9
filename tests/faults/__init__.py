"""The fault suite: traffic with a history, a nemesis, and a checker of what is left afterwards."""
