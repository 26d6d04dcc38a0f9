"""Feeds hostile inputs to the codec and the webhooks, which may only accept or refuse them."""
