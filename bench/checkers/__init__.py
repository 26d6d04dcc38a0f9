"""Checkers of what came out, for benchmarks and for fault runs alike."""
