"""What to try while `inbox dev` runs."""

import json
import shlex

from rich.console import Console
from rich.text import Text

from schemas.commands import ConversationClose
from schemas.fields import Command, ConversationId
from schemas.messages import MessageSend
from workers.dev.sales_day.story import ACCOUNT, VIEWER
from workers.dev.worker_child import local_host
from workers.settings import Settings


def look_around(
    console: Console, given: Settings, running: Settings, conversation_id: ConversationId
) -> None:
    """Say where everything is, and what to try on one of the day's conversations.

    `given` is what the user had set, which is not repeated: it may hold a password of theirs. That
    of an embedded server is shown, since nobody else can use it or knows it.
    """
    web = f"http://{local_host(running)}:{running.web_port}"
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
        "It all runs until Ctrl-C.",
    ]
    console.print(Text("\n".join(lines)))


def _command(kind: type[Command], conversation_id: ConversationId, **data: str) -> str:
    asked = {"account_id": ACCOUNT, "conversation_id": conversation_id, "actor_id": VIEWER}
    return json.dumps({"type": kind.TYPE, "data": asked | data}, ensure_ascii=False)


def _exports(given: Settings, running: Settings) -> list[tuple[str, str]]:
    before, now = given.environment(), running.environment()
    names = ["INBOX_PARTITIONS", "INBOX_TOPIC_PREFIX"]
    names += [name for name in ("INBOX_KAFKA", "INBOX_DATABASE_URL") if name not in before]
    return [(name, now[name]) for name in sorted(names)]
