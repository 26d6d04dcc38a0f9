"""The pieces of a run: processes, databases with stored messages, measurements, a plot."""
