"""The hints of `inbox dev`: where everything runs, and commands to try."""

import json
import shlex
from collections.abc import Callable

from rich.console import Console
from rich.text import Text

from schemas.commands import ConversationClose
from schemas.fields import AccountId, Command, ConversationId, UserId
from schemas.messages import MessageSend
from workers.api.operation import PREFIX
from workers.dev.sales_day.story import ACCOUNT, USERS, VIEWER
from workers.settings import Settings


def print_hints(
    console: Console,
    given: Settings,
    running: Settings,
    conversation_id: ConversationId,
    token_of: Callable[[AccountId, UserId], str],
) -> None:
    """Print where everything runs, and commands to try on one of the day's conversations.

    `given` holds the settings of the user. They are not printed, because they may hold a password.
    The password of an embedded server is printed: only this machine can use it, and nobody else
    knows it.
    """
    web = running.local_url
    reply = _command(MessageSend, conversation_id, body="Obrigada!")
    close = _command(ConversationClose, conversation_id)
    lines = [
        "",
        "To look around, in another terminal:",
        "",
        *(f"  export {name}={shlex.quote(value)}" for name, value in _exports(given, running)),
        "",
        "  inbox watch --from-start",
        f"  echo {shlex.quote(reply)} | inbox send        (the stand-in for Twilio delivers it)",
        f"  echo {shlex.quote(close)} | inbox send",
        "  inbox dead-letters list",
        f"  curl {web}/metrics        (and /healthz, /readyz)",
        "  psql \"$INBOX_DATABASE_URL\" -c 'SELECT * FROM inbox.conversations'",
        "",
        "The API, as each of the users, for 12 hours:",
        "",
        *(
            f"  curl -H 'Authorization: Bearer {token_of(user.account_id, user.user_id)}' "
            f"{api_url(running, '/me')}        ({user.name})"
            for user in USERS
        ),
        "",
        "It all runs until Ctrl-C.",
    ]
    console.print(Text("\n".join(lines)))


def api_url(running: Settings, address: str) -> str:
    """Returns the URL of an operation of the API."""
    return f"{running.local_url}{PREFIX}{address}"


def _command(kind: type[Command], conversation_id: ConversationId, **data: str) -> str:
    common = {"account_id": ACCOUNT, "conversation_id": conversation_id, "actor_id": VIEWER}
    return json.dumps({"type": kind.TYPE, "data": common | data}, ensure_ascii=False)


def _exports(given: Settings, running: Settings) -> list[tuple[str, str]]:
    before, after = given.environment(), running.environment()
    names = ["INBOX_PARTITIONS", "INBOX_TOPIC_PREFIX"]
    names += [name for name in ("INBOX_KAFKA", "INBOX_DATABASE_URL") if name not in before]
    return [(name, after[name]) for name in sorted(names)]
