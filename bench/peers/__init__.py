"""The same work as others would have it done, and what a comparison with them needs."""
