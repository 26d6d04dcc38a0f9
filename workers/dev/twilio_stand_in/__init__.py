"""A stand-in for Twilio's Messages API: it takes every valid send, and posts its callbacks."""
