"""Whom the settings trust, checked before a worker starts."""

from workers.api.access.keys import KeyFile, WrongKeys
from workers.api.access.tokens import TokenVerifier
from workers.settings import Settings, SettingsError


def check_trust(settings: Settings) -> None:
    """Raise SettingsError if the role `api` would trust nobody, or cannot verify tokens."""
    if token_verifier(settings) is None and not settings.api_trusted_networks:
        raise SettingsError(
            "INBOX_API_ISSUER: is not set, nor is INBOX_API_TRUSTED_NETWORKS, so the role api "
            "would trust nobody: set it with INBOX_API_AUDIENCE and INBOX_API_JWKS_FILE to take "
            "tokens, or set the networks of proxies"
        )


def token_verifier(settings: Settings) -> TokenVerifier | None:
    """Returns what verifies tokens; None if none are taken. Raises SettingsError."""
    issuer, audience, file = (
        settings.api_issuer,
        settings.api_audience,
        settings.api_jwks_file,
    )
    if issuer is None and audience is None and file is None:
        return None
    if issuer is None:
        raise _missing("INBOX_API_ISSUER")
    if audience is None:
        raise _missing("INBOX_API_AUDIENCE")
    if file is None:
        raise _missing("INBOX_API_JWKS_FILE")
    if settings.api_user_claim == settings.api_account_claim:
        raise SettingsError(
            "INBOX_API_USER_CLAIM: is the same as INBOX_API_ACCOUNT_CLAIM, and must be another"
        )
    try:
        keys = KeyFile(file)
    except WrongKeys as error:
        raise SettingsError(f"INBOX_API_JWKS_FILE: {error}") from None
    return TokenVerifier(
        keys,
        issuer=issuer,
        audience=audience,
        user_claim=settings.api_user_claim,
        account_claim=settings.api_account_claim,
    )


def _missing(variable: str) -> SettingsError:
    return SettingsError(
        f"{variable}: is not set, and INBOX_API_ISSUER, INBOX_API_AUDIENCE and "
        "INBOX_API_JWKS_FILE need each other"
    )
