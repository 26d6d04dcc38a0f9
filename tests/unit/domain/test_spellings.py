"""Every usual spelling of a number means its contact, and no spelling means two."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.spellings import find_meant, read_address, usual_addresses

NUMBER = "4915112345678"
SMS, WHATSAPP, MESSENGER = f"+{NUMBER}", f"whatsapp:+{NUMBER}", f"messenger:{NUMBER}"
OTHERS = ["+16505551111", "12345", "whatsapp:+5511987654321", "whatsapp:US.134", "messenger:99"]
STORED = [SMS, WHATSAPP, *OTHERS]


def in_script(text: str, zero: str) -> str:
    """Returns a text with the digits of another script, whose zero is given."""
    return "".join(chr(ord(zero) + int(each)) if each.isdigit() else each for each in text)


def meant(written: str, stored: list[str]) -> tuple[set[str], set[str], bool]:
    """Returns the addresses that are meant, those that are alike, and whether it is ambiguous."""
    found = find_meant(read_address(written), stored)
    return set(found.addresses), set(found.alike), found.ambiguous


@pytest.mark.parametrize(
    "written",
    [
        "+4915112345678",
        "+49 151 123-45678",
        "(+49) 151/12345678",
        "+49 (0)151 123.456.78",
        "0049 (0) 151 12345678",
        "+0049 151 12345678",
        "00 49 151 12345678",
        "4915112345678",
        "49 151 12345678",
        "\N{FULLWIDTH PLUS SIGN}" + in_script(NUMBER, "\N{FULLWIDTH DIGIT ZERO}"),
        "+" + in_script("49 151 12345678", "\N{ARABIC-INDIC DIGIT ZERO}"),
        "\u202a+49\u00a0151\u201112345678\u202c",
        "  +49 151 12345678\t\n",
        "tel:+49-151-12345678",
        "Phone: +49 151 12345678",
        "[+49] 151 1234\N{EN DASH}5678",
        "+49 151 1234\N{MINUS SIGN}5678",
    ],
)
def test_a_number_means_its_contact_on_every_channel(written: str) -> None:
    assert meant(written, STORED) == ({SMS, WHATSAPP}, set(), False)


@pytest.mark.parametrize(
    "written",
    [
        "whatsapp:+4915112345678",
        "WhatsApp:+49 151 12345678",
        "whatsapp : 0049 151 12345678",
        "WHATSAPP:4915112345678",
        "whatsapp\N{FULLWIDTH COLON}+49 151 12345678",
    ],
)
def test_a_prefix_means_one_channel_and_the_others_are_named(written: str) -> None:
    assert meant(written, [*STORED, MESSENGER]) == ({WHATSAPP}, {SMS, MESSENGER}, False)


def test_sms_is_the_channel_whose_addresses_have_no_prefix() -> None:
    assert meant("sms:+49 151 12345678", STORED) == ({SMS}, {WHATSAPP}, False)


@pytest.mark.parametrize(
    ("written", "alike"),
    [
        ("(650) 555-1111", {"+16505551111"}),
        ("0151 12345678", {SMS, WHATSAPP}),
        ("+49 0151 12345678", {SMS, WHATSAPP}),
        ("+55 11 8765-4321", {"whatsapp:+5511987654321"}),
        ("whatsapp:us.134", {"whatsapp:US.134"}),
        ("345678", {SMS, WHATSAPP}),
        ("45678", set()),
        ("+", set()),
        ("Dana", set()),
    ],
)
def test_what_may_be_another_number_means_nobody_and_names_what_is_alike(
    written: str, alike: set[str]
) -> None:
    assert meant(written, STORED) == (set(), alike, False)


@pytest.mark.parametrize(
    ("written", "stored", "candidates"),
    [
        (NUMBER, [SMS, MESSENGER], {SMS, MESSENGER}),
        (f"{NUMBER[:2]} {NUMBER[2:]}", [f"telegram:{NUMBER}", MESSENGER], None),
        ("6581234567", ["+6581234567", "+16581234567"], {"+6581234567", "+16581234567"}),
        ("US.134", ["whatsapp:US.134", "rcs:US.134"], {"whatsapp:US.134", "rcs:US.134"}),
    ],
)
def test_what_may_be_of_several_contacts_is_ambiguous(
    written: str, stored: list[str], candidates: set[str] | None
) -> None:
    assert meant(written, stored) == (set(), candidates or set(stored), True)


@pytest.mark.parametrize(
    ("written", "same"),
    [
        (NUMBER, {NUMBER, SMS, WHATSAPP}),
        (MESSENGER, {MESSENGER}),
        ("12345", {"12345"}),
        ("whatsapp:US.134", {"whatsapp:US.134"}),
        ("messenger:99", {"messenger:99"}),
    ],
)
def test_what_is_written_as_it_is_stored_is_never_ambiguous(written: str, same: set[str]) -> None:
    found, _, ambiguous = meant(written, [*STORED, MESSENGER, NUMBER, "+49151112345"])
    assert (found, ambiguous) == (same, False)


def test_an_id_without_its_prefix_means_its_contact() -> None:
    assert meant("US.134", STORED) == ({"whatsapp:US.134"}, set(), False)
    assert meant(" 99 ", STORED) == ({"messenger:99"}, set(), False)
    assert meant("+99", STORED) == (set(), set(), False)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("+49 151", ["+49 151", "+49151", "49151", "rcs:+49151", "rcs:49151"]),
        ("WhatsApp: +49 1", ["WhatsApp: +49 1", "whatsapp:+491", "whatsapp:491"]),
        ("messenger:99", ["messenger:99", "messenger:+99"]),
        ("Whatsapp:US.134", ["Whatsapp:US.134", "whatsapp:US.134"]),
        (" Dana ", [" Dana ", "Dana"]),
    ],
)
def test_the_addresses_that_providers_would_write(written: str, expected: list[str]) -> None:
    assert usual_addresses(read_address(written))[: len(expected)] == expected


DIGITS = st.from_regex(r"[1-9][0-9]{7,13}", fullmatch=True)
SEPARATORS = st.sampled_from(["", "", "", " ", "-", ".", "/", "\u00a0", "\u2011", "  ", "\u200b"])
SCRIPTS = st.sampled_from(["0", "\N{FULLWIDTH DIGIT ZERO}", "\N{DEVANAGARI DIGIT ZERO}"])
HEADS = st.sampled_from(["+", "00", "\N{FULLWIDTH PLUS SIGN}", " + ", "\u202a+", "tel:+", "(+"])


@st.composite
def spelled(draw: st.DrawFn) -> tuple[str, str]:
    """Draw a number, and a spelling of it."""
    digits, zero, head = draw(DIGITS), draw(SCRIPTS), draw(HEADS)
    written = "".join(in_script(digit, zero) + draw(SEPARATORS) for digit in digits)
    return digits, head + written + draw(st.sampled_from(["", " ", "\n"]))


@given(spelled(), st.sampled_from(["", "whatsapp:"]), st.lists(DIGITS))
def test_any_spelling_finds_its_number_and_no_other(
    number: tuple[str, str], prefix: str, others: list[str]
) -> None:
    digits, written = number
    address = f"{prefix}+{digits}"
    stored = [address, *(f"+{other}" for other in others), *(f"fb:{other}" for other in others)]
    found, _, ambiguous = meant(written, stored)
    assert not ambiguous
    assert address in found
    assert {each.rpartition("+")[2] for each in found} == {digits}


TEXTS = st.one_of(
    st.text(max_size=20),
    st.text("0123456789+ -()", max_size=16),
    spelled().map(lambda number: number[1]),
    st.builds("{}:{}".format, st.sampled_from(["whatsapp", "messenger", "x"]), DIGITS),
)


@given(TEXTS, st.lists(TEXTS))
def test_whatever_is_stored_one_person_at_most_is_meant(written: str, stored: list[str]) -> None:
    asked = read_address(written)
    found = find_meant(asked, stored)
    known = [read_address(address) for address in found.addresses]
    assert {address.digits for address in known} <= {asked.digits}
    assert len({address.person for address in known}) <= 1
    assert set(found.addresses).isdisjoint(found.alike)
    assert {*found.addresses, *found.alike} <= set(stored)
    if written in stored:
        assert written in found.addresses
