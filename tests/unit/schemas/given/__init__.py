"""Envelopes and notes that tests of the schemas begin with."""
