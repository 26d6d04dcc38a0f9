"""What the forms of both webhooks have in common."""

import pytest

from workers.twilio.form import FIELDS_MAX, parse_form


def test_a_form_of_too_many_fields_is_a_value_error() -> None:
    assert len(parse_form(b"&".join([b"a=1"] * FIELDS_MAX))) == FIELDS_MAX
    with pytest.raises(ValueError, match="fields"):
        parse_form(b"&".join([b"a=1"] * (FIELDS_MAX + 1)))
