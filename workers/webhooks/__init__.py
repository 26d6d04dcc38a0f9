"""Takes Twilio's webhooks into Kafka: at once, through the disk, or fetched from Twilio later."""
