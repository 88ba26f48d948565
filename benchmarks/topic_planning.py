"""What planning one document costs: the trained policy against greedy-sum, in turns, in one run.

``python benchmarks/topic_planning.py FILE STUDIES [GROUPS]`` after ``robustrank topics FILE --out STUDIES``, whose
trained policies are used. The first victim of the file, the groups of the first fold (16 by default), four at a time:
the policy attacks all documents of the four, then greedy-sum does, so that neither finds anything of a topic that the
other left behind. Seconds are those of the processor, the victim's left out; texts are those the surrogate scored.
JSON goes to ``reports/topics/planning.json``: how many times as much greedy-sum spends, as a geometric mean over
documents with groups as units.
"""

from __future__ import annotations

import json
import sys
from math import exp, log
from pathlib import Path
from random import Random
from time import process_time
from typing import Any

from robustrank.core.progress import Silent
from robustrank.perturbations.group_oracle import GroupOracle
from robustrank.stats import intervals
from robustrank.stats.resampling import UNBOUNDED
from robustrank.storage.hashing import digest
from robustrank.topics import scene, spec, study
from robustrank_attacks.topic.attacks import TopicRL, TopicSearch

OUT = Path(__file__).parents[1] / "reports" / "topics" / "planning.json"
AT_ONCE = 4


def main() -> None:
    wanted, studies = spec.load(sys.argv[1]), Path(sys.argv[2])
    limit = int(sys.argv[3]) if len(sys.argv) > 3 else 16
    played, first = scene.open_scene(wanted), wanted.rankers[0]
    ranker = played.victim(first.name)
    cast = [
        role
        for group in played.groups
        for role in scene.roles(played, group, scene.clean_lists(played, group, ranker), ranker)
    ]
    topics = sorted({role.group.topic_id for role in cast})
    ours = topics[:: wanted.folds]
    practice = [role.practice for role in cast if role.group.topic_id not in ours]
    where = study.folder(wanted, studies) / "learnt" / digest(first.name, ranker.card.fingerprint)[:10]
    attacks: tuple[Any, ...] = tuple(
        attack.fit([role.case for role in cast], practice, wanted.budget, where, Silent())
        for attack in (TopicRL(), TopicSearch())
    )
    warm = next(role for role in cast if role.group.topic_id not in ours)
    for attack in attacks:  # what is loaded once is not a document's
        oracle = GroupOracle(ranker, warm.of(warm.group.attack), warm.target, wanted.budget)
        attack.perturb(warm.case, oracle, Random(0))
    spent: dict[tuple[str, str], list[tuple[float, int]]] = {}
    for start in range(0, min(limit, len(ours)), AT_ONCE):
        roles = [role for topic in ours[start : start + AT_ONCE] for role in cast if role.group.topic_id == topic]
        for attack in attacks:
            for role in roles:
                oracle = GroupOracle(ranker, role.of(role.group.attack), role.target, wanted.budget)
                began, scored = process_time(), attack.texts_scored
                attack.perturb(role.case, oracle, Random(role.case.key))
                seconds = process_time() - began - oracle.processor_seconds
                key = (role.group.topic_id, role.target.doc_id)
                spent.setdefault(key, []).append((seconds, attack.texts_scored - scored))
    found: dict[str, Any] = {"victim": first.name, "documents": len(spent), "groups": len({t for t, _ in spent})}
    for what, at in (("seconds", 0), ("texts", 1)):
        mine, theirs = ([pair[side][at] for pair in spent.values()] for side in (0, 1))
        logs = [log(b / a) for a, b in zip(mine, theirs, strict=True)]
        ratio = intervals.mean(logs, clusters=[t for t, _ in spent], bounds=UNBOUNDED)
        found[what] = {
            "policy": sum(mine) / len(mine),
            "greedy sum": sum(theirs) / len(theirs),
            "times": [round(exp(x), 2) for x in (ratio.value, ratio.low, ratio.high)],
        }
    OUT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
