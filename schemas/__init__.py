"""The contract: every topic and event type, their ids and codes, and the CloudEvents codec."""
