"""The files of messages: fetched from the provider, and from nowhere else."""
