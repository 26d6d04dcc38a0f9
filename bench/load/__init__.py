"""What benchmarks and fault runs put into the inbox, at which rate, and what is stored before."""
