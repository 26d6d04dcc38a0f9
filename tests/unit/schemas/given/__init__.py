"""Sample envelopes and notes for the tests of the schemas."""
