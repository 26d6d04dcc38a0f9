"""Sample events, states and histories for the tests of the rules."""
