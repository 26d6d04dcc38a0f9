"""The tokens of `inbox dev`."""

from pathlib import Path

import pytest

from schemas.fields import AccountId, UserId
from workers.api.access.trust import token_verifier
from workers.api.problem import Problem
from workers.dev.issuer import Issuer
from workers.settings import Settings

USER = AccountId("acme"), UserId("ana")


def test_the_api_of_this_run_takes_them_and_those_of_no_other_run(tmp_path: Path) -> None:
    given = {"INBOX_API_USER_CLAIM": "email", "INBOX_API_ISSUER": "https://login.example.com"}
    issuer = Issuer()
    verifier = token_verifier(issuer.trusted_by(Settings.from_environment(given), tmp_path))
    assert verifier is not None
    identity = verifier.verify(issuer.token(*USER), "token")
    assert (identity.account_id, identity.user_id) == USER
    with pytest.raises(Problem, match="unauthorized"):
        verifier.verify(Issuer().token(*USER), "token")


def test_the_private_key_is_on_no_disk(tmp_path: Path) -> None:
    Issuer().trusted_by(Settings.from_environment({}), tmp_path)
    (file,) = tmp_path.iterdir()
    assert '"d"' not in file.read_text()
