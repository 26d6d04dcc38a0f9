"""Rules that apply to some of the requests: to which, how many times, with which probability."""

import random
from collections.abc import Mapping
from typing import Any, Generic, TypedDict, TypeVar

import msgspec


class Scope(TypedDict, total=False):
    """The arguments that every rule takes."""

    where: dict[str, str]
    skip: int
    times: int | None
    probability: float
    seed: int


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a rule applies.

    It applies to a request with the fields of `where`, but not to the first `skip` of them, and not
    any more after it applied `times` times. To each of the others it applies with a probability,
    drawn by a generator with this seed.
    """

    where: dict[str, str] = {}
    """Fields of the form, or of a list's query, and their values; "" is a missing field."""
    skip: int = 0
    times: int | None = None
    probability: float = 1.0
    seed: int = 0


RuleT = TypeVar("RuleT", bound=Rule)


class ActiveRule(Generic[RuleT]):
    """A rule that is switched on, and its counts."""

    def __init__(self, rule: RuleT) -> None:
        self.rule = rule
        self.seen = 0
        """How many requests had the fields of `where`."""
        self.hits = 0
        """To how many of them it applied."""
        self._chance = random.Random(rule.seed)  # noqa: S311  # to be repeated, not to be secret

    def draw(self, fields: Mapping[str, Any]) -> bool:
        """Decide whether it applies to a request with these fields, and count the request."""
        rule = self.rule
        if any(fields.get(name, "") != value for name, value in rule.where.items()):
            return False
        self.seen += 1
        used_up = rule.times is not None and self.hits >= rule.times
        applies = self.seen > rule.skip and not used_up
        # A number is drawn only where it matters: so a seed gives the same decisions in every run,
        # though the number of other requests differs.
        applies = applies and self._chance.random() < rule.probability
        self.hits += applies
        return applies


class Rules(Generic[RuleT]):
    """Rules in order: of those that apply, the first is used."""

    def __init__(self) -> None:
        self._active: list[ActiveRule[RuleT]] = []

    def add(self, *rules: RuleT) -> list[ActiveRule[RuleT]]:
        """Switch rules on, and return them with their counts."""
        active = [ActiveRule(rule) for rule in rules]
        self._active += active
        return active

    def clear(self) -> None:
        """Switch all rules off."""
        self._active.clear()

    def draw(self, fields: Mapping[str, Any], **wanted: tuple[str, ...]) -> RuleT | None:
        """Returns the first rule that applies to these fields.

        `wanted` limits the rules to those whose attribute of that name has one of these values.
        """
        for active in self._active:
            fits = all(getattr(active.rule, name) in values for name, values in wanted.items())
            if fits and active.draw(fields):
                return active.rule
        return None

    def counts(self) -> list[dict[str, Any]]:
        """Returns all rules that are on, each with its counts, for JSON."""
        return [
            {"rule": msgspec.to_builtins(active.rule), "seen": active.seen, "hits": active.hits}
            for active in self._active
        ]
