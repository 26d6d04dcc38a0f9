"""A friendly stand-in for Twilio's Messages API: takes every good send, and tells its receipts."""
