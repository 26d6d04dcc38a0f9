"""Who is asking."""

from datetime import datetime
from typing import Literal

from msgspec import Struct

from domain.directory import User
from schemas.fields import AccountId, UserId


class Identity(Struct, frozen=True, kw_only=True):
    """Who a request says that it is from, proven by a token, a cookie or a trusted proxy."""

    account_id: AccountId
    user_id: UserId
    proven_by: Literal["token", "cookie", "proxy"]
    expires_at: datetime | None
    """When the token or the cookie ends; None for a proxy."""
    scopes: frozenset[str] = frozenset()
    """What the token allows beside the inbox; none for a proxy."""


class Caller(Struct, frozen=True, kw_only=True):
    """A known user with inbox access."""

    identity: Identity
    user: User

    @property
    def account_id(self) -> AccountId:
        """The account, beyond which nothing is seen."""
        return self.identity.account_id

    @property
    def user_id(self) -> UserId:
        """The user, within the account."""
        return self.identity.user_id
