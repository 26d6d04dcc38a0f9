"""Rules that apply to some of what comes: which, how often, and with what chance."""

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
    """When a rule applies: to what has these fields, but not to the first `skip`, nor after it
    applied `times` times, and then with a probability, drawn by a generator with this seed.
    """

    where: dict[str, str] = {}
    """Fields of the form, or of a list's query, and their values; "" is one that is not there."""
    skip: int = 0
    times: int | None = None
    probability: float = 1.0
    seed: int = 0


RuleT = TypeVar("RuleT", bound=Rule)


class Armed(Generic[RuleT]):
    """A rule that is switched on, and what it did so far."""

    def __init__(self, rule: RuleT) -> None:
        self.rule = rule
        self.seen = 0
        """How many it could have applied to."""
        self.hits = 0
        """How many it did apply to."""
        self._chance = random.Random(rule.seed)  # noqa: S311  # to be repeated, not to be secret

    def draw(self, fields: Mapping[str, Any]) -> bool:
        """Whether it applies to what has these fields; counts it."""
        rule = self.rule
        if any(fields.get(name, "") != value for name, value in rule.where.items()):
            return False
        self.seen += 1
        used_up = rule.times is not None and self.hits >= rule.times
        applies = self.seen > rule.skip and not used_up
        # Drawn only where it can matter, so that a seed means the same however long one waits.
        applies = applies and self._chance.random() < rule.probability
        self.hits += applies
        return applies


class Rules(Generic[RuleT]):
    """Rules in order: the first that applies is the one."""

    def __init__(self) -> None:
        self._armed: list[Armed[RuleT]] = []

    def add(self, *rules: RuleT) -> list[Armed[RuleT]]:
        """Switch rules on; each with its counts."""
        armed = [Armed(rule) for rule in rules]
        self._armed += armed
        return armed

    def clear(self) -> None:
        """Switch all off."""
        self._armed.clear()

    def draw(self, fields: Mapping[str, Any], **wanted: tuple[str, ...]) -> RuleT | None:
        """The rule for what has these fields, of those with one of the wanted attributes."""
        for armed in self._armed:
            fits = all(getattr(armed.rule, name) in values for name, values in wanted.items())
            if fits and armed.draw(fields):
                return armed.rule
        return None

    def counts(self) -> list[dict[str, Any]]:
        """All that are on, with their counts, for JSON."""
        return [
            {"rule": msgspec.to_builtins(armed.rule), "seen": armed.seen, "hits": armed.hits}
            for armed in self._armed
        ]
