"""What benchmarks and fault runs put into the inbox, and at what pace."""
