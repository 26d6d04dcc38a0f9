"""Stories of the whole system, from the webhook to the events."""
