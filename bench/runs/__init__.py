"""One run of a benchmark: its cases, workers and measurements."""
