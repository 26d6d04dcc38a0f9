"""Twilio's API and its forms. Only this room and `dev` import `twilio`."""
