"""What a run found, readable and as JSON."""

import json
from collections import Counter, defaultdict
from typing import Any

from tests.faults.checks import INVARIANTS
from tests.faults.run import Outcome


def as_json(outcome: Outcome) -> str:
    """Everything, for programs."""
    faults: dict[str, dict[str, Any]] = {}
    for each in outcome.happened:
        fault = faults.setdefault(each.kind, {"happened": 0, "hit": 0, "work": 0})
        fault["happened"] += 1
        fault["hit"] += each.hit > 0
        fault["work"] += each.hit
    return json.dumps(
        {
            "seed": outcome.seed,
            "holds": outcome.holds,
            "seconds": round(outcome.seconds, 1),
            "settled_seconds": round(outcome.settled_seconds, 1),
            "faults": faults,
            "not_possible_here": outcome.impossible,
            "counted": outcome.verdict.counted,
            "observed": outcome.observed,
            "workers_ended": {
                str(k): v for k, v in Counter(e.status for e in outcome.ended).items()
            },
            "surprises": [end._asdict() for end in outcome.surprises],
            "invariants": outcome.verdict.violations,
        },
        indent=2,
    )


def as_text(outcome: Outcome) -> str:
    """For people."""
    lines = [f"seed {outcome.seed}, {outcome.seconds:.0f} s", "", "faults: happened, hit work"]
    happened: dict[str, list[int]] = defaultdict(list)
    for each in outcome.happened:
        happened[each.kind].append(each.hit)
    lines += [f"  {kind}: {len(hits)}, {sum(map(bool, hits))}" for kind, hits in happened.items()]
    lines += [f"  not possible here: {kind} ({why})" for kind, why in outcome.impossible.items()]
    lines += ["", "counted"]
    lines += [f"  {what}: {number:,}" for what, number in sorted(outcome.verdict.counted.items())]
    lines += ["", "observed"]
    lines += [f"  {what}: {number:,}" for what, number in sorted(outcome.observed.items())]
    ends = Counter(end.status for end in outcome.ended)
    lines += ["", f"workers ended, by status: {dict(ends)}"]
    lines += [f"  SURPRISE {end.worker} {end.status}:\n{end.tail}" for end in outcome.surprises]
    lines += ["", f"all was done {outcome.settled_seconds:.1f} s after healing", "", "invariants"]
    for name, promise in INVARIANTS.items():
        found = outcome.verdict.violations[name]
        lines.append(f"  {name} {'VIOLATED' if found else 'ok'}: {promise}")
        lines += [f"      {violation}" for violation in found]
    lines += ["", "all holds" if outcome.holds else "BROKEN"]
    return "\n".join(lines)
