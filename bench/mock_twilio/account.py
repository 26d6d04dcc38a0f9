"""The account at Twilio that the mock admits, and that benchmarks and tests use."""

from workers.dev.twilio_stand_in.server import Account

SID = "AC00000000000000000000000000000000"
TOKEN = "12345"  # noqa: S105  # the token of the signatures that Twilio publishes as examples

ACCOUNTS = {SID: Account(auth_token=TOKEN, api_keys={"SK" + "0" * 32: "key-secret"})}
