"""What travels: every topic, every event type, their ids and codes, and the CloudEvents codec."""
