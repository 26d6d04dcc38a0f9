"""The rules of the inbox, as pure functions without I/O, clock or async."""
