"""Who signed a webhook: one of our accounts at Twilio, or nobody of ours."""

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
    """A body's fields and the account of ours that signed them; None when none did.

    `url` is what Twilio calls, with its query. Never raises, whatever was sent.
    """
    try:
        form = parse_form(body)
        account = signer(
            accounts,
            form,
            url,
            headers.get("X-Twilio-Signature", ""),
            headers.get("X-Twilio-Webhooks-Signature-Settings", ""),
        )
    except Exception as error:
        # Twilio's validator raises one thing or another on hostile input.
        log.info("webhook refused: %s", type(error).__name__)
        return None
    return (form, account.account_id) if account else None


def signer(
    accounts: TwilioAccounts, form: MultiDict[str], url: str, signature: str, settings: str
) -> TwilioAccount | None:
    """The account whose secret signed the form; None when none did.

    `url` is what Twilio calls, with its query; `signature` and `settings` are the headers
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
    """The secrets that may have signed: the shared key that is named, or the tokens in use."""
    for part in settings.split(","):
        name, _, value = part.partition("=")
        if name.strip() == "key":
            secret = account.signing_keys.get(value.strip())
            return (secret,) if secret else ()
    return tuple(token for token in (account.auth_token, *account.previous_auth_tokens) if token)
