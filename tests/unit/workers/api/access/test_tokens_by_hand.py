"""The way to make a token by hand that the documentation shows."""

import subprocess
import sys
from pathlib import Path
from textwrap import dedent

from workers.api.access.trust import token_verifier
from workers.settings import Settings

OPERATING = Path(__file__).parents[5] / "docs" / "operating.md"


def test_the_documented_program_makes_a_token_that_the_api_takes(tmp_path: Path) -> None:
    text = OPERATING.read_text(encoding="utf-8")
    program = text.split("<!-- token by hand -->")[1].split("<!-- end of token by hand -->")[0]
    made = subprocess.run(
        [sys.executable, "-c", dedent(program)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    given = {
        "INBOX_API_ISSUER": "by hand",
        "INBOX_API_AUDIENCE": "inbox",
        "INBOX_API_JWKS_FILE": str(tmp_path / "jwks.json"),
    }
    verifier = token_verifier(Settings.from_environment(given))
    assert verifier is not None
    identity = verifier.verify(made.stdout.strip(), "token")
    assert (identity.account_id, identity.user_id) == ("acme", "ana")
