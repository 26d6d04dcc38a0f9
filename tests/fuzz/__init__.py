"""Feeds hostile inputs to what reads bytes from outside: only its own refusals may come back."""
