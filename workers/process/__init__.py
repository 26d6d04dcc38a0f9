"""The ground that every room stands on: metrics, errors, retries, the watchdog."""
