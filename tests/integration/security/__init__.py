"""Attacks on the inbox, and the guards against them."""
