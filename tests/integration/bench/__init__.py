"""The benchmarks, so small that they show only that they are correct."""
