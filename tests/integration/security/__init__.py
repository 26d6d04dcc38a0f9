"""Attacks, and what guards against them."""
