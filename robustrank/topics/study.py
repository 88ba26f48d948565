"""Runs a topic study: every attack on every document to promote, against every victim; resumable, records first."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import asdict
from math import isfinite
from operator import itemgetter
from pathlib import Path
from random import Random
from time import perf_counter, process_time
from typing import Any

from robustrank.core.errors import MissingExtra, OracleError
from robustrank.core.plugin_spec import Plugin
from robustrank.core.progress import Progress
from robustrank.core.topic_types import Guesser, Learner, Reckoner, TopicAttack, TopicCase
from robustrank.core.types import Document, Query
from robustrank.core.words import UNIT
from robustrank.perturbations import group_oracle
from robustrank.perturbations.oracle import MeteredRanker
from robustrank.perturbations.quality import quality
from robustrank.perturbations.substitutes import load as load_table
from robustrank.plugins import registry
from robustrank.storage import journal as store
from robustrank.storage.hashing import digest
from robustrank.storage.journal import Journal, RecordFormat
from robustrank.topics import dynamic
from robustrank.topics.edits import within_budget
from robustrank.topics.report import write
from robustrank.topics.results import Record, summarise
from robustrank.topics.scene import Role, Scene, clean_lists, open_scene, roles
from robustrank.topics.spec import NamedPlugin, TopicSpec

FORMAT: RecordFormat[Record] = RecordFormat(dict[str, Any], schema=1, key=itemgetter("key"))


def folder(spec: TopicSpec, root: Path) -> Path:
    """Where a study's records lie: another topic file is another folder."""
    return root / f"{spec.name}-{digest(asdict(spec))[:10]}"


def run(spec: TopicSpec, where: Path, progress: Progress) -> dict[str, Any]:
    """Run or resume a study; write records, ``summary.json`` and ``report.md``.

    Args:
        spec: The topic file.
        where: The study's folder (:func:`folder`).
        progress: Told of every step.

    Returns:
        The summary (:func:`robustrank.topics.results.summarise`).

    Raises:
        RobustRankError: A wrong file, plug-in or collection, a missing package, a folder in use.
    """
    scene = open_scene(spec)
    with Journal(where, FORMAT) as journal:
        records = store.read(where, FORMAT)
        live: list[Record] = []
        for named in spec.rankers:
            for record in _against(scene, named, where, records, progress):
                if record["key"] not in records:
                    journal.append(record)
                    records[record["key"]] = record
                if record["kind"] == "topic":
                    live.append(records[record["key"]])
    found = summarise(live, scene)
    write(found, where)
    return found


def _against(
    scene: Scene, named: NamedPlugin, where: Path, records: dict[str, Record], progress: Progress
) -> Iterator[Record]:
    """All records of one victim, old and new."""
    spec, ranker = scene.spec, scene.victim(named.name)
    cast = yield from _cast(scene, named, ranker, records, progress)
    measure = _similarity()
    for wanted in spec.attacks:
        attack = registry.build("topic_attack", wanted.plugin)
        keys = [_key(scene, named, ranker, wanted, attack, role, cast) for role in cast]
        if all(key in records for key in keys):
            yield from (records[key] for key in keys)
            continue
        ready = list(
            _ready(attack, cast, spec, where / "learnt" / digest(named.name, ranker.card.fingerprint)[:10], progress)
        )
        progress.start(f"{named.name}: {wanted.name}", len(cast))
        for role, key, fitted in zip(cast, keys, ready, strict=True):
            if key in records:
                yield records[key]
            else:
                head = {"key": key, "kind": "topic", "ranker": named.name, "attack": wanted.name}
                record = _attacked(scene, ranker, role, fitted, Random(key), measure)
                if wanted.dynamic and named.dynamic and record["status"] == "ok":
                    record["events"] = dynamic.play(scene, ranker, role, fitted, record["after"], Random(key))
                yield {**head, **record}
            progress.advance()


def _cast(
    scene: Scene, named: NamedPlugin, ranker: MeteredRanker, records: Mapping[str, Record], progress: Progress
) -> Generator[Record, None, list[Role]]:
    """Every document to promote; a pointwise ranker's clean scores are a record: a resumed study asks for none."""
    spec, documents, cast = scene.spec, scene.collection.documents, []
    progress.start(f"{named.name}: clean lists", len(scene.groups))
    for group in scene.groups:
        key = digest(
            "clean lists", scene.collection.digest, asdict(group), asdict(spec.targets), spec.seed,
            ranker.card.fingerprint,
        )  # fmt: skip
        for query_id, scores in records.get(key, {}).get("scores", {}).items():
            ranker.remember(scene.query(query_id), [documents[d] for d in scores], list(scores.values()))
        lists = clean_lists(scene, group, ranker)
        found = roles(scene, group, lists, ranker)
        every = [lists, *(role.lists for role in found)]  # a document to promote may have joined
        if ranker.card.pointwise:
            scores = {i: dict(pair for known in every for pair in known[i].scored) for i in lists}
            head = {"key": key, "kind": "clean lists", "ranker": named.name, "topic": group.topic_id}
            yield {**head, "scores": scores}
        cast += found
        progress.advance()
    return cast


def _ready(
    attack: Any, cast: Sequence[Role], spec: TopicSpec, where: Path, progress: Progress
) -> Iterator[TopicAttack]:
    """The attack for each document, having practised on the topics of the other folds."""
    if not isinstance(attack, Learner):
        yield from (attack for _ in cast)
        return
    topics = sorted({role.group.topic_id for role in cast})
    fold = {topic: number % spec.folds for number, topic in enumerate(topics)}
    fitted = {}
    for draw in sorted({role.group.draw for role in cast}):  # each by an attacker who knows nothing of the others
        own = [role for role in cast if role.group.draw == draw]
        for number in range(spec.folds):
            practice = [role.practice for role in own if fold[role.group.topic_id] != number]
            fitted[draw, number] = attack.fit([role.case for role in own], practice, spec.budget, where, progress)
    yield from (fitted[role.group.draw, fold[role.group.topic_id]] for role in cast)


def _attacked(
    scene: Scene, ranker: MeteredRanker, role: Role, attack: TopicAttack, rng: Random,
    similarity: Callable[[str, str], float] | None,
) -> Record:  # fmt: skip
    """One attack as the harness measures it; a text that breaks the rules is recorded, and counts as no change."""
    spec, group, target = scene.spec, role.group, role.target
    oracle = group_oracle.GroupOracle(ranker, role.of(group.attack), target, spec.budget)
    pairs, scored, started, cpu = ranker.pairs, _scored(attack), perf_counter(), process_time()
    status, error, offered = "ok", "", target.text
    try:
        offered = attack.perturb(role.case, oracle, rng)
    except OracleError as problem:
        status, error = "error", f"{type(problem).__name__}: {problem}"
    planning, scored = process_time() - cpu - oracle.processor_seconds, _scored(attack) - scored
    found = within_budget(target.text, offered, attack.substitutes, spec.budget)
    if found.violations:
        status, error = "invalid", "; ".join(found.violations)
    record: Record = {
        "topic": group.topic_id,
        "draw": group.draw,
        "doc_id": target.doc_id,
        "status": status,
        "error": error,
        "coherence": group.coherence,
        "queries": [scene.query(i).text for i in group.attack],
        "held_out": [scene.query(i).text for i in group.held_out],
        "lists": oracle.spent,
        "pairs": ranker.pairs - pairs,
        "substitutions": found.kinds["substituted"],
        "insertions": found.kinds["inserted"],
        "similarity": None if similarity is None else similarity(target.text, offered),
        "quality": _quality(role.case, offered),
        "agreement": _agreement(attack, role),
        "answers": oracle.answers,
        "texts_scored": scored,
        "planning_seconds": planning,
        "seconds": perf_counter() - started,
        "before": target.text,
        "after": offered,
    }
    for name, ids in (("attack", group.attack), ("held_out", group.held_out)):
        lists = role.of(ids)
        record[f"{name}_before"] = [one.rank(target.doc_id) for one in lists]
        record[f"{name}_after"] = list(group_oracle.ranks(ranker, lists, target, offered))
    return record


def _scored(attack: TopicAttack) -> int:
    return attack.texts_scored if isinstance(attack, Reckoner) else 0


def _quality(case: TopicCase, offered: str) -> dict[str, float]:
    """What the changed text looks like, next to the other documents of the attacked lists; empty without a change."""
    if offered == case.target.text:
        return {}
    others = {d.doc_id: d.text for docs in case.lists for d in docs if d.doc_id != case.target.doc_id}
    return quality(" ".join(query.text for query in case.queries), case.target.text, offered, list(others.values()))


def _agreement(attack: TopicAttack, role: Role) -> float | None:
    """Mean Kendall's tau-b of the attacker's model of the victim and the victim, over lists it has not seen."""
    if not isinstance(attack, Guesser):
        return None
    from scipy.stats import kendalltau

    hidden = role.practice.held_out
    taus = [float(kendalltau(range(len(one)), [-score for score in one]).statistic) for one in attack.guess(hidden)]
    known = [tau for tau in taus if isfinite(tau)]  # a list of one document has no order
    return sum(known) / len(known) if known else None


def _key(
    scene: Scene, named: NamedPlugin, ranker: MeteredRanker, wanted: NamedPlugin, attack: Any, role: Role,
    cast: Sequence[Role],
) -> str:  # fmt: skip
    """Hash of everything a record depends on; a learner depends on all the cases it saw."""
    spec = scene.spec
    own = [other for other in cast if other.group.draw == role.group.draw] if isinstance(attack, Learner) else []
    groups = asdict(spec.groups)
    if spec.groups.path:  # what the file says, not where it lies
        groups["path"] = [asdict(group) for group in scene.groups]
    others = [spec.reactions, *(str(other.plugin) for other in spec.rankers)]
    played = others if wanted.dynamic and named.dynamic else None
    return digest(
        scene.collection.digest, groups, asdict(spec.targets), asdict(spec.budget), spec.folds, spec.seed,
        named.name, ranker.card.fingerprint, wanted.name, str(wanted.plugin),
        registry.version("topic_attack", wanted.plugin.use), load_table(attack.substitutes).digest, role.key,
        [other.key for other in own], UNIT, played,
    )  # fmt: skip


def _similarity() -> Callable[[str, str], float] | None:
    """Cosine of two texts by the harness's bi-encoder, where its extra is installed."""
    try:
        encoder = registry.build("ranker", Plugin(use="bi_encoder"))
        encoder.score(Query("", "a"), [Document("", "a")])
    except MissingExtra:
        return None
    return lambda before, after: round(encoder.score(Query("", before), [Document("", after)])[0], 6)
