"""Benchmarks: programs that print what they measured, and check that it was right."""
