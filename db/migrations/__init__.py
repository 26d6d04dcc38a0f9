"""The steps that build the schema, in the order of their numbers."""
