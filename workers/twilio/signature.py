"""Which of our accounts at Twilio signed a webhook, if any did."""

import logging
from collections.abc import Mapping

from multidict import MultiDict
from twilio.request_validator import RequestValidator, get_signature_algorithm

from schemas.fields import AccountId
from workers.settings.values import TwilioAccount, TwilioAccounts
from workers.twilio.form import parse_form

log = logging.getLogger(__name__)

_ALGORITHMS = ("HMAC_SHA1", "HMAC_SHA256")


def authenticate(
    accounts: TwilioAccounts, url: str, headers: Mapping[str, str], body: bytes
) -> tuple[MultiDict[str], AccountId] | None:
    """A body's fields, and the account of ours that signed them; None when none did.

    `url` is the URL that Twilio calls, with its query. Never raises: every error counts as not
    signed.
    """
    try:
        form = parse_form(body)
        account = signing_account(
            accounts,
            form,
            url,
            headers.get("X-Twilio-Signature", ""),
            headers.get("X-Twilio-Webhooks-Signature-Settings", ""),
        )
    except Exception as error:
        # Twilio's validator raises several errors on hostile input: TypeError, IndexError, ...
        log.info("webhook refused: %s", type(error).__name__)
        return None
    return (form, account.account_id) if account else None


def signing_account(
    accounts: TwilioAccounts, form: MultiDict[str], url: str, signature: str, settings: str
) -> TwilioAccount | None:
    """The account whose secret signed the form; None when none did.

    `url` is the URL that Twilio calls, with its query. `signature` and `settings` are the headers
    `X-Twilio-Signature` and `X-Twilio-Webhooks-Signature-Settings`.
    """
    account = accounts.get(form.get("AccountSid", ""))
    algorithm = get_signature_algorithm(settings)
    if account is None or not signature or algorithm not in _ALGORITHMS:
        return None
    signed = any(
        RequestValidator(secret).validate(url, form, signature, algorithm)
        for secret in _secrets(account, settings)
    )
    return account if signed else None


def _secrets(account: TwilioAccount, settings: str) -> tuple[str, ...]:
    """The secrets that may have signed: the shared key that the header names, else the tokens."""
    for setting in settings.split(","):
        name, _, value = setting.partition("=")
        if name.strip() == "key":
            secret = account.signing_keys.get(value.strip())
            return (secret,) if secret else ()
    return tuple(token for token in (account.auth_token, *account.previous_auth_tokens) if token)
