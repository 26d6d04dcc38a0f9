"""The webhooks of Twilio on their way to Kafka: at once, from the disk, or fetched later."""
