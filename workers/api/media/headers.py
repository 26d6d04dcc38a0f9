"""The headers with which a browser gets a file that a contact sent: as data, never as a page."""

import re

from schemas.fields import MessageId

ANY_TYPE = "application/octet-stream"

INLINE_TYPES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
"""Pictures that hold no program. An SVG may hold one."""

_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,63}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}")
"""The grammar of a media type (RFC 6838, section 4.2)."""

_ENDINGS = {
    "application/pdf": "pdf",
    "application/zip": "zip",
    "application/msword": "doc",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": "pptx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "audio/amr": "amr",
    "audio/mp4": "m4a",
    "audio/mpeg": "mp3",
    "audio/ogg": "ogg",
    "image/gif": "gif",
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/webp": "webp",
    "text/csv": "csv",
    "text/plain": "txt",
    "text/vcard": "vcf",
    "text/x-vcard": "vcf",
    "video/3gpp": "3gp",
    "video/mp4": "mp4",
}
"""The ending of a file's name, by its type. All others are `bin`: no contact chooses the ending by
which a computer takes a file for a program."""


def content_type_of(answered: str | None, told: str) -> str:
    """Returns the type of a file: what the provider answers, or else what the message told."""
    for given in (answered or "", told):
        content_type = given.partition(";")[0].strip().lower()
        if _TYPE.fullmatch(content_type) and content_type != ANY_TYPE:
            return content_type
    return ANY_TYPE


def file_headers(content_type: str, message_id: MessageId, number: int) -> dict[str, str]:
    """Returns the headers of a file of a message."""
    name = f"{message_id}-{number}.{_ENDINGS.get(content_type, 'bin')}"
    shown = "inline" if content_type in INLINE_TYPES else "attachment"
    return {
        "Content-Type": content_type,
        "Content-Disposition": f'{shown}; filename="{name}"',
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, max-age=3600",
        "Accept-Ranges": "none",
    }
