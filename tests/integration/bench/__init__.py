"""The benchmarks, at a size at which they show only that they are right."""
