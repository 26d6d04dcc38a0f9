"""The parts of the benchmark of event streams, bench/api_streams.py."""
