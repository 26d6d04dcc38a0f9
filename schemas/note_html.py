"""A note as HTML, for CRMs whose notes are HTML: few tags, no styles, no scripts."""

import re
from html import escape

from schemas.context_text import ContextLine, context_lines
from schemas.messages import Media
from schemas.note_text import ShownNote, clean, head, heading, one_line
from schemas.notes import NoteMessage

# Stricter than RFC 3986: no user before the host, since a reader could take it for the host; and no
# host with other characters than ASCII. A URL that does not match is shown as text, not as a link.
_WEB_ADDRESS = re.compile(
    r"(?i:https?)://[A-Za-z0-9._-]+(?::[0-9]{1,5})?(?:[/?#][A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]*)?"
)


def as_html(note: ShownNote) -> str:
    """Returns the whole note as a fragment of HTML.

    Its tags are `p`, `br`, `strong`, `blockquote`, and `a` with `href` and `rel`.
    """
    lines = [escape(line) for line in head(note)]
    lines.append(f"Conversation: {_link(note.inbox_url)}")
    first = f"<p>{'<br>'.join(lines)}</p>"
    return "\n".join([first, *map(_message_as_html, note.messages)])


def _message_as_html(message: NoteMessage) -> str:
    blocks = [f"<p><strong>{escape(heading(message))}</strong></p>"]
    if body := escape(clean(message.body)).replace("\n", "<br>"):
        # A quotation differs from a heading even where a CRM removes all styles.
        blocks.append(f"<blockquote>{body}</blockquote>")
    about = context_lines(message.context, message.body, message.answered)
    blocks += map(_context_line_as_html, about)
    blocks += map(_file_as_html, message.media)
    return "\n".join(blocks)


def _context_line_as_html(line: ContextLine) -> str:
    text = escape(one_line(line.text))
    return f"<p>{text}: {_link(line.url)}</p>" if line.url else f"<p>{text}</p>"


def _file_as_html(file: Media) -> str:
    return f"<p>Attached {escape(one_line(file.content_type))}: {_link(file.url)}</p>"


def _link(url: str) -> str:
    """Returns a link whose text is its URL; for anything but a web address only the text."""
    shown = escape(one_line(url))
    if not _WEB_ADDRESS.fullmatch(url):
        return shown
    return f'<a href="{shown}" rel="noopener noreferrer nofollow">{shown}</a>'
