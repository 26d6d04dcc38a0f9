"""The output topics as people read them."""
