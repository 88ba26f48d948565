"""The figures that an audit will have, known before anything is scored, so that a gate on none of them is refused."""

from __future__ import annotations

from collections.abc import Iterator

from robustrank.config.audit_file import AuditSpec
from robustrank.core.interfaces import Certifier
from robustrank.core.strata import first_rank
from robustrank.core.types import Goal, Surface
from robustrank.judging.figures import Figure
from robustrank.measures import runs
from robustrank.protocols.adversarial import CUTOFFS
from robustrank.protocols.effectiveness import MIN_SLICE
from robustrank.work.workbench import Workbench, victims


def planned(bench: Workbench) -> list[Figure]:
    """Labels of the figures that an audit will have; some may stay out where its data has nothing to measure."""
    names = [name for name, _ in victims(bench.spec)]
    found = [*_effectiveness(bench), *_shifts(bench)]
    for name in names:
        found += _attacks(bench, name)
    wanted = bench.spec.pooling
    if wanted is not None:
        systems = [*runs.read(wanted.runs), *names, *wanted.groups]
        found += [Figure(measure="tau", labels={"left_out": name}) for name in systems]
    return found


def _effectiveness(bench: Workbench) -> Iterator[Figure]:
    spec = bench.spec
    for name, defense in victims(spec):
        asked = (defense.collections or (spec.home.name,)) if defense else [c.name for c in spec.collections]
        for collection in asked:
            labels = {"ranker": name, "collection": collection}
            for measure in spec.measures:
                yield Figure(measure=measure, labels=labels)
                yield Figure(measure="worst decile", labels={**labels, "of": measure})
                for slice_ in _slices(bench, collection):
                    yield Figure(measure=measure, labels={**labels, "slice": slice_})
            for sliced in (labels, *({**labels, "slice": s} for s in _slices(bench, collection))):
                yield Figure(measure="judged@10", labels=sliced)
            if isinstance(bench.victim(name, collection).ranker.ranker, Certifier):
                for k in spec.certify.k:
                    for radius in spec.certify.radius:
                        yield Figure(measure=f"CRQ@{k}", labels={**labels, "radius": str(radius)})


def _shifts(bench: Workbench) -> Iterator[Figure]:
    spec = bench.spec
    for ranker in spec.rankers:
        to = [{"collection": c.name} for c in spec.collections[1:]]
        to += [{"collection": c.name, "slice": s} for c in spec.collections for s in _slices(bench, c.name)]
        for labels in to:
            yield Figure(measure="drop", labels={"ranker": ranker.name, **labels})
            if spec.baseline not in (None, ranker.name):
                yield Figure(measure="drop vs baseline", labels={"ranker": ranker.name, **labels})


def _attacks(bench: Workbench, ranker: str) -> list[Figure]:
    spec = bench.spec
    if not _attacked(spec, ranker):
        return []
    found = []
    for attack in (a for a in spec.attacks if not a.rankers or ranker in a.rankers):
        threat = bench.attack(attack.name).threat
        strata = [] if threat.surface is Surface.QUERY else list(spec.cases.strata)
        for stratum in ["all", *(strata if len(strata) > 1 else ())]:
            first = min((first_rank(s) for s in strata if stratum in ("all", s)), default=1)
            reached = [f"ASR@{k}" for k in CUTOFFS if k < first]
            names = ["demoted", "harmed"] if threat.goal is Goal.DEMOTE else ["promoted", *reached, "goal"]
            labels = {"ranker": ranker, "attack": attack.name, "stratum": stratum}
            found += [Figure(measure=name, labels=labels, control=threat.control) for name in (*names, "boost", "harm")]
    return found


def _slices(bench: Workbench, collection: str) -> list[str]:
    lists = bench.lists(collection)
    labels = [lists.collection.query_types[q] for q in lists.queries if q in lists.collection.query_types]
    enough = [label for label in sorted(set(labels)) if labels.count(label) >= MIN_SLICE]
    return enough if len(enough) > 1 else []


def _attacked(spec: AuditSpec, ranker: str) -> bool:
    plain = {r.name: r.attacked for r in spec.rankers}
    return {**plain, **{f"{d.name} + {base}": d.attacked for d in spec.defenses for base in d.rankers}}[ranker]
