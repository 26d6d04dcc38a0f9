"""The sales day of `inbox dev`: who does what, and which events the inbox must publish."""
