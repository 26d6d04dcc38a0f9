"""Other systems that do the same work, or less of it, and what the comparison with them needs."""
