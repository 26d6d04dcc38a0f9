"""Values of settings, for the tests."""

SID = "AC00000000000000000000000000000000"


ACCOUNTS = '{"' + SID + '": {"account_id": "acme", "auth_token": "12345"}}'
