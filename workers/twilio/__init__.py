"""Twilio's API and its forms. Only this package and `dev` import `twilio`."""
