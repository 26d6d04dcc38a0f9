"""Benchmarks: programs that measure the inbox, and check that it kept its promises meanwhile."""
