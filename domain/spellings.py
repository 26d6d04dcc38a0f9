"""The ways in which people write a contact's address, and the stored addresses that they mean.

A person types a number with blanks, dashes, brackets, or copies it from a screen. Providers write
it as E.164 does, with the prefix of a channel: `whatsapp:+4915112345678`. Only a number with its
country code says which number it is: one without is never completed here, but named.
"""

import re
import unicodedata
from collections.abc import Iterable
from typing import NamedTuple

SMS = "sms"
"""How people name the channel whose addresses have no prefix."""

PHONE_PREFIXES = {"", SMS, "rcs", "whatsapp"}
"""Channels whose addresses are phone numbers. Elsewhere a number is an id, unless it has a `+`."""

_NO_CHANNEL = {"phone", "tel"}
"""What people and links (RFC 3966) write before a number. No address begins so."""

ALIKE_DIGITS = 8
"""Numbers with the same last digits look alike. So many are the same however a number's country
and area codes are written, and in old and new numbers of Brazil, Mexico and Argentina."""

ALIKE_DIGITS_MIN = 6

_PREFIX = re.compile(r"([A-Za-z][A-Za-z0-9]*) *: *(.*)")
_TRUNK_ZERO = re.compile(r"\( *0 *\)")
_NUMBER = re.compile(r"(\+00|\+|00)?([0-9]+)")


class Address(NamedTuple):
    """An address, as a person or a provider wrote it, taken apart."""

    written: str
    prefix: str
    """The channel in small letters; empty for SMS, and where a person named none."""
    rest: str
    """What follows the prefix."""
    digits: str
    """The digits of a number, from its country code on if it is international; else empty."""
    international: bool
    """Whether the number begins with `+` or `00`, and so with its country code."""

    @property
    def key(self) -> str:
        """The last digits, by which numbers look alike; empty for what is no number."""
        digits = self.digits.lstrip("0")
        return digits[-ALIKE_DIGITS:] if len(digits) >= ALIKE_DIGITS_MIN else ""

    @property
    def is_phone(self) -> bool:
        """Whether it is a phone number, and not a provider's id of digits."""
        return bool(self.digits) and (self.prefix in PHONE_PREFIXES or self.international)

    @property
    def person(self) -> str:
        """What tells the persons apart who have equal digits: a number is one person's, an id is
        one person's on its channel.
        """
        return "" if self.is_phone else self.prefix


class Meant(NamedTuple):
    """The stored addresses that a person means."""

    addresses: tuple[str, ...]
    """All addresses of one contact; empty if there is none, or if they may be of several."""
    alike: tuple[str, ...]
    """Addresses that may be meant too: those of equal digits; where there is none, those that end
    with the same digits.
    """
    ambiguous: bool
    """Whether several contacts may be meant. They are in `alike`."""


def read_address(written: str) -> Address:
    """Returns what a text says, without what makes no difference: blanks, dashes, kinds of digits.

    It reads the addresses of providers too.
    """
    text = _plain(written)
    found = _PREFIX.fullmatch(text)
    prefix, rest = (found[1].lower(), found[2]) if found else ("", text)
    if prefix in _NO_CHANNEL:
        prefix = ""
    number = _NUMBER.fullmatch(_without_separators(rest))
    if number is None:
        return Address(written, prefix, rest, "", False)
    return Address(written, prefix, rest, number[2], number[1] is not None)


def usual_addresses(asked: Address) -> list[str]:
    """Returns the addresses that providers would write for what a person asked for."""
    if not asked.digits:
        return [asked.written, f"{asked.prefix}:{asked.rest}" if asked.prefix else asked.rest]
    prefixes = [asked.prefix] if asked.prefix else sorted(PHONE_PREFIXES)
    heads = ["" if prefix in {"", SMS} else f"{prefix}:" for prefix in prefixes]
    numbers = [f"{head}{sign}{asked.digits}" for head in heads for sign in ("+", "")]
    return list(dict.fromkeys([asked.written, *numbers]))


def find_meant(asked: Address, stored: Iterable[str]) -> Meant:
    """Returns those of the stored addresses that a person means who asked for one.

    A phone number without a prefix means all channels. An address that is written exactly as it is
    stored is never ambiguous.
    """
    known = [read_address(address) for address in sorted(set(stored))]
    same = [address for address in known if _is_same(asked, address)]
    exact = [address.person for address in same if address.written == asked.written]
    if exact:
        same = [address for address in same if address.person in exact]
    others = [address for address in known if address not in same]
    if not same:
        return Meant(
            (), _written(address for address in others if _is_alike(asked, address)), False
        )
    longer = [each for each in others if each.is_phone and each.digits.endswith(asked.digits)]
    if not (exact or asked.prefix or asked.international) and (
        len({address.person for address in same}) > 1 or (asked.key and longer)
    ):
        return Meant((), _written([*same, *longer]), True)
    equal = [each for each in others if asked.digits and each.digits == asked.digits]
    return Meant(_written(same), _written(equal), False)


def _written(addresses: Iterable[Address]) -> tuple[str, ...]:
    return tuple(address.written for address in addresses)


def _plain(text: str) -> str:
    """Returns a text with digits, signs and blanks in their simplest form, and none at its ends."""
    simple = (_simple(character) for character in unicodedata.normalize("NFKC", text))
    return "".join(simple).strip()


def _simple(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Nd":
        return str(unicodedata.decimal(character))
    if category in {"Cf", "Cc"}:
        # Marks that nobody sees; a line break or a tab separates.
        return " " if character.isspace() else ""
    if category == "Pd" or character == "\N{MINUS SIGN}":
        return "-"
    return " " if category == "Zs" else character


def _without_separators(text: str) -> str:
    """Returns a number without what is written between its digits.

    In `+49 (0)151` the zero is dialled only within the country.
    """
    if text.startswith(("+", "00", "(+", "(00")):
        text = _TRUNK_ZERO.sub("", text)
    return re.sub(r"[ \-./()\[\]]", "", text)


def _is_same(asked: Address, known: Address) -> bool:
    if known.written == asked.written:
        return True
    if not asked.digits:
        return known.rest == asked.rest and asked.prefix in ("", known.prefix)
    if known.digits != asked.digits:
        return False
    if asked.prefix:
        return asked.prefix == (known.prefix or SMS)
    return known.is_phone or not asked.international


def _is_alike(asked: Address, known: Address) -> bool:
    if not asked.key:
        return known.rest.lower() == asked.rest.lower()
    return known.digits.endswith(asked.key)
