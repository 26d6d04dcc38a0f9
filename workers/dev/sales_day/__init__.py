"""The sales day of `inbox dev`: who does what, and what the inbox must answer."""
