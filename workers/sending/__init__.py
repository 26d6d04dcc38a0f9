"""Replies on their way to the provider, each at most once."""
