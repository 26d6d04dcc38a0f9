"""Events, states and histories that tests of the rules begin with."""
