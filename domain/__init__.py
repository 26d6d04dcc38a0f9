"""Why things happen: the rules of the inbox, as pure functions without I/O, clock or async."""
