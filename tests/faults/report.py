"""Renders the results of a run for people, and as JSON."""

import json
from collections import Counter, defaultdict
from typing import Any

from tests.faults.checks import INVARIANTS
from tests.faults.run import RunResult


def as_json(result: RunResult) -> str:
    """Returns all results, for programs."""
    faults: dict[str, dict[str, Any]] = {}
    for each in result.happened:
        fault = faults.setdefault(each.kind, {"happened": 0, "hit": 0, "work": 0})
        fault["happened"] += 1
        fault["hit"] += each.hit > 0
        fault["work"] += each.hit
    return json.dumps(
        {
            "seed": result.seed,
            "holds": result.holds,
            "seconds": round(result.seconds, 1),
            "settled_seconds": round(result.settled_seconds, 1),
            "faults": faults,
            "not_possible_here": result.impossible,
            "counted": result.findings.counted,
            "observed": result.observed,
            "workers_ended": {str(k): v for k, v in Counter(e.status for e in result.ends).items()},
            "unexpected_ends": [end._asdict() for end in result.unexpected_ends],
            "invariants": result.findings.violations,
        },
        indent=2,
    )


def as_text(result: RunResult) -> str:
    """Returns the results for people."""
    lines = [f"seed {result.seed}, {result.seconds:.0f} s", "", "faults: happened, hit work"]
    happened: dict[str, list[int]] = defaultdict(list)
    for each in result.happened:
        happened[each.kind].append(each.hit)
    lines += [f"  {kind}: {len(hits)}, {sum(map(bool, hits))}" for kind, hits in happened.items()]
    lines += [f"  not possible here: {kind} ({why})" for kind, why in result.impossible.items()]
    lines += ["", "counted"]
    lines += [f"  {what}: {number:,}" for what, number in sorted(result.findings.counted.items())]
    lines += ["", "observed"]
    lines += [f"  {what}: {number:,}" for what, number in sorted(result.observed.items())]
    ends = Counter(end.status for end in result.ends)
    lines += ["", f"workers ended, by status: {dict(ends)}"]
    lines += [
        f"  UNEXPECTED {end.worker} {end.status}:\n{end.tail}" for end in result.unexpected_ends
    ]
    lines += ["", f"all was done {result.settled_seconds:.1f} s after healing", "", "invariants"]
    for name, promise in INVARIANTS.items():
        found = result.findings.violations[name]
        lines.append(f"  {name} {'VIOLATED' if found else 'ok'}: {promise}")
        lines += [f"      {violation}" for violation in found]
    lines += ["", "all holds" if result.holds else "BROKEN"]
    return "\n".join(lines)
