"""What all parts of a worker share: metrics, errors, retries, the watchdog."""
