"""What tests of several rooms share: workers, topics, forms and events to send, what came out."""
