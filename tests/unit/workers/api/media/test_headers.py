"""The headers of a file."""

import pytest

from schemas.fields import MessageId
from workers.api.media.headers import content_type_of, file_headers

ID = MessageId("0190a719-ac96-7eb9-a837-cac215164834")


@pytest.mark.parametrize(
    ("answered", "told", "content_type"),
    [
        ("image/png", "text/html", "image/png"),
        ("IMAGE/PNG; charset=x", "text/html", "image/png"),
        ("application/octet-stream", "audio/ogg", "audio/ogg"),
        (None, "application/pdf", "application/pdf"),
        ("image/png\r\nSet-Cookie: x=1", "x", "application/octet-stream"),
        ("image", "a/b/c", "application/octet-stream"),
        ("a/" + "b" * 200, "", "application/octet-stream"),
    ],
)
def test_the_type_is_that_of_the_provider_if_it_is_one(
    answered: str | None, told: str, content_type: str
) -> None:
    assert content_type_of(answered, told) == content_type


@pytest.mark.parametrize("content_type", ["image/jpeg", "image/png", "image/gif", "image/webp"])
def test_pictures_are_shown(content_type: str) -> None:
    assert file_headers(content_type, ID, 0)["Content-Disposition"].startswith("inline; ")


@pytest.mark.parametrize(
    ("content_type", "ending"),
    [
        ("image/svg+xml", "bin"),
        ("text/html", "bin"),
        ("application/x-msdownload", "bin"),
        ("application/pdf", "pdf"),
        ("audio/ogg", "ogg"),
    ],
)
def test_all_else_is_saved_and_is_never_a_program(content_type: str, ending: str) -> None:
    headers = file_headers(content_type, ID, 3)
    assert headers["Content-Disposition"] == f'attachment; filename="{ID}-3.{ending}"'
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert headers["Cache-Control"].startswith("private")
