"""Runs a topic study: every attack on every document to promote, against every victim; resumes from its records."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from math import isfinite
from pathlib import Path
from random import Random
from time import perf_counter, process_time
from typing import Any

from msgspec import structs

from robustrank.auditing.loop import Loop
from robustrank.auditing.session import Session
from robustrank.core.errors import ContractError, MissingExtra
from robustrank.core.interfaces import Executor
from robustrank.core.plugin_spec import Plugin
from robustrank.core.progress import Progress
from robustrank.core.topic_types import Learner, MeteredSurrogate, SurrogateAttack, TopicAttack, TopicCase
from robustrank.core.types import Status
from robustrank.core.words import UNIT
from robustrank.perturbations.group_oracle import GroupOracle, ranks
from robustrank.perturbations.oracle import MeteredRanker
from robustrank.perturbations.quality import quality
from robustrank.perturbations.similarity import cosine
from robustrank.perturbations.substitutes import load as load_table
from robustrank.plugins import registry
from robustrank.storage.hashing import digest
from robustrank.storage.journal import Journal
from robustrank.topics import dynamic
from robustrank.topics.edits import within_budget
from robustrank.topics.groups import TopicGroup
from robustrank.topics.records import FORMAT, AnyRecord, CleanLists, TopicRecord
from robustrank.topics.report import write
from robustrank.topics.results import summarise
from robustrank.topics.scene import Role, Scene, clean_lists, open_scene, roles
from robustrank.topics.spec import NamedPlugin, TopicSpec
from robustrank.work.base import EXHAUSTED, tried
from robustrank.work.workbench import Bench


def folder(spec: TopicSpec, root: Path) -> Path:
    """Where a study's records lie: another topic file is another folder."""
    return root / f"{spec.name}-{digest(asdict(spec))[:10]}"


def run(spec: TopicSpec, where: Path, progress: Progress) -> dict[str, Any]:
    """Run or resume a study; write records, ``summary.json`` and ``report.md``.

    Args:
        spec: The topic file.
        where: The study's folder (:func:`folder`).
        progress: Informed of every step.

    Returns:
        The summary (:func:`robustrank.topics.results.summarise`).

    Raises:
        RobustRankError: A wrong file, plug-in or collection, a missing package, a folder in use.
    """
    scene, session = open_scene(spec), Session()
    serial: Executor = registry.build("executor", Plugin(use="serial"))
    live: list[TopicRecord] = []
    with Journal(where, FORMAT) as journal:
        loop = Loop(journal, FORMAT, serial, progress, again=_failed_before(session))
        for named in spec.rankers:
            live += _Against(scene, named, where, loop, session).go()
    summary = summarise(live, scene)
    write(summary, where)
    return summary


def _failed_before(session: Session) -> Callable[[AnyRecord], bool]:
    """Whether a record is of an attack that failed in an earlier run, and is tried again."""
    return lambda record: isinstance(record, TopicRecord) and record.status is Status.ERROR and session.made_no(record)


@dataclass(frozen=True)
class _Attacked:
    """A task: one attack, ready, on one document."""

    role: Role
    key: str
    attack: TopicAttack


class _Against:
    """All attacks of a study against one victim; the journal stays open."""

    def __init__(self, scene: Scene, named: NamedPlugin, where: Path, loop: Loop[AnyRecord], session: Session) -> None:
        self.scene, self.named, self.loop, self.stamp = scene, named, loop, session.stamp
        self.ranker = scene.victim(named.name)
        self.learnt = where / "learnt" / digest(named.name, self.ranker.card.fingerprint)[:10]

    def go(self) -> list[TopicRecord]:
        """Do what is not recorded yet; all records of attacks, old and new."""
        cast, similarity = self._cast(), cosine(_encoder(self.scene.bench))
        live: list[TopicRecord] = []
        for wanted in self.scene.spec.attacks:
            attack = self.scene.bench.plugin("topic_attack", wanted.plugin)
            keys = [_key(self.scene, self.named, self.ranker, wanted, attack, role, cast) for role in cast]
            if any(self.loop.open(key) for key in keys):
                ready = _ready(attack, cast, self.scene.spec, self.learnt, self.loop.progress)
                tasks = {key: _Attacked(role, key, one) for key, role, one in zip(keys, cast, ready, strict=True)}
                perform = partial(self._attacked, wanted, similarity)
                self.loop.run(f"{self.named.name}: {wanted.name}", tasks, perform, stamp=self.stamp)
            live += [record for key in keys if isinstance(record := self.loop.records[key], TopicRecord)]
        return live

    def _cast(self) -> list[Role]:
        """Every document to promote; a pointwise ranker's clean scores come from records where there are any."""
        scene, ranker, documents, cast = self.scene, self.ranker, self.scene.collection.documents, []
        keyed = {self._lists_key(group): group for group in scene.groups}
        if ranker.card.pointwise:
            self.loop.run(f"{self.named.name}: clean lists", keyed, self._clean, stamp=self.stamp)
        for key, group in keyed.items():
            recorded = self.loop.records.get(key)
            for query_id, scores in recorded.scores.items() if isinstance(recorded, CleanLists) else ():
                ranker.remember(scene.query(query_id), [documents[d] for d in scores], list(scores.values()))
            cast += roles(scene, group, clean_lists(scene, group, ranker), ranker)
        return cast

    def _lists_key(self, group: TopicGroup) -> str:
        scene = self.scene
        return digest(
            "clean lists", scene.collection.digest, asdict(group), asdict(scene.spec.targets), scene.spec.seed,
            self.ranker.card.fingerprint,
        )  # fmt: skip

    def _clean(self, group: TopicGroup) -> AnyRecord:
        """The victim's clean scores for one group, those of documents to promote that join a list among them."""
        lists = clean_lists(self.scene, group, self.ranker)
        every = [lists, *(role.lists for role in roles(self.scene, group, lists, self.ranker))]
        scores = {i: dict(pair for one_side in every for pair in one_side[i].scored) for i in lists}
        return CleanLists(key=self._lists_key(group), ranker=self.named.name, topic=group.topic_id, scores=scores)

    def _attacked(
        self, wanted: NamedPlugin, similarity: Callable[[str, str], float] | None, task: _Attacked
    ) -> AnyRecord:
        """One attack as the harness measures it; an illegal text is recorded, and counts as unchanged."""
        scene, ranker, role, attack = self.scene, self.ranker, task.role, task.attack
        spec, group, target = scene.spec, role.group, role.target
        oracle = GroupOracle(ranker, role.of(group.attack), target, spec.budget)
        rng, pairs, scored, started, cpu = (
            Random(task.key),
            ranker.pairs,
            _scored(attack),
            perf_counter(),
            process_time(),
        )
        offered, failed = tried(lambda: _text(attack.perturb(role.case, oracle, rng)), target.text)
        planning = process_time() - cpu - oracle.processor_seconds
        finding = within_budget(target.text, offered, attack.substitutes, spec.budget)
        status, error = (Status.ERROR, failed) if failed else (Status.OK, "")
        if failed == EXHAUSTED:
            status, error = Status.BUDGET_EXHAUSTED, ""
        elif finding.violations:
            status, error = Status.INVALID, "; ".join(finding.violations)
        (attack_before, attack_after), (held_out_before, held_out_after) = (
            ([one.rank(target.doc_id) for one in lists], list(ranks(ranker, lists, target, offered)))
            for lists in (role.of(group.attack), role.of(group.held_out))
        )
        record = TopicRecord(
            key=task.key,
            ranker=self.named.name,
            attack=wanted.name,
            topic=group.topic_id,
            draw=group.draw,
            doc_id=target.doc_id,
            status=status,
            error=error,
            coherence=group.coherence,
            queries=[scene.query(i).text for i in group.attack],
            held_out=[scene.query(i).text for i in group.held_out],
            lists=oracle.spent,
            pairs=ranker.pairs - pairs,
            substitutions=finding.kinds["substituted"],
            insertions=finding.kinds["inserted"],
            similarity=None if similarity is None else similarity(target.text, offered),
            quality=_quality(role.case, offered),
            agreement=_agreement(attack, role),
            answers=oracle.answers,
            texts_scored=_scored(attack) - scored,
            planning_seconds=planning,
            seconds=perf_counter() - started,
            before=target.text,
            after=offered,
            attack_before=attack_before,
            attack_after=attack_after,
            held_out_before=held_out_before,
            held_out_after=held_out_after,
        )
        if wanted.dynamic and self.named.dynamic and status is Status.OK:
            events = dynamic.play(scene, ranker, role, attack, offered, Random(task.key))
            record = structs.replace(record, events=events)
        return record


def _encoder(bench: Bench) -> MeteredRanker | None:
    """The harness's bi-encoder, where its extra is installed."""
    try:
        return bench.encoder()
    except MissingExtra:
        return None


def _ready(
    attack: Any, cast: Sequence[Role], spec: TopicSpec, where: Path, progress: Progress
) -> Iterator[TopicAttack]:
    """The attack for each document, trained on the topics of the other folds where it learns."""
    if not isinstance(attack, Learner):
        yield from (attack for _ in cast)
        return
    topics = sorted({role.group.topic_id for role in cast})
    fold = {topic: number % spec.folds for number, topic in enumerate(topics)}
    fitted = {}
    for draw in sorted({role.group.draw for role in cast}):  # one attacker a draw, trained on that draw alone
        own = [role for role in cast if role.group.draw == draw]
        for number in range(spec.folds):
            practice = [role.practice for role in own if fold[role.group.topic_id] != number]
            fitted[draw, number] = attack.fit([role.case for role in own], practice, spec.budget, where, progress)
    yield from (fitted[role.group.draw, fold[role.group.topic_id]] for role in cast)


def _text(offered: object) -> str:
    """The text that an attack returned.

    Raises:
        ContractError: It is no string.
    """
    if not isinstance(offered, str):
        raise ContractError(f"the attack returned {type(offered).__name__}, not text")
    return offered


def _scored(attack: TopicAttack) -> int:
    return attack.texts_scored if isinstance(attack, MeteredSurrogate) else 0


def _quality(case: TopicCase, offered: str) -> dict[str, float]:
    """Quality figures of the changed text; empty if unchanged."""
    if offered == case.target.text:
        return {}
    return quality(" ".join(query.text for query in case.queries), case.target.text, offered)


def _agreement(attack: TopicAttack, role: Role) -> float | None:
    """Mean Kendall's tau-b of the attacker's model of the victim and the victim, over lists it has not seen."""
    if not isinstance(attack, SurrogateAttack):
        return None
    from scipy.stats import kendalltau

    hidden = role.practice.held_out
    taus = [
        float(kendalltau(range(len(one)), [-score for score in one]).statistic)
        for one in attack.surrogate_scores(hidden)
    ]
    defined = [tau for tau in taus if isfinite(tau)]  # a list of one document has no order
    return sum(defined) / len(defined) if defined else None


def _key(
    scene: Scene, named: NamedPlugin, ranker: MeteredRanker, wanted: NamedPlugin, attack: Any, role: Role,
    cast: Sequence[Role],
) -> str:  # fmt: skip
    """Hash of everything a record depends on; for a learner also on all its training cases."""
    spec = scene.spec
    own = [other for other in cast if other.group.draw == role.group.draw] if isinstance(attack, Learner) else []
    groups = asdict(spec.groups)
    if spec.groups.path:  # its content, not its location
        groups["path"] = [asdict(group) for group in scene.groups]
    others = [spec.reactions, *(str(other.plugin) for other in spec.rankers)]
    played = others if wanted.dynamic and named.dynamic else None
    return digest(
        scene.collection.digest, groups, asdict(spec.targets), asdict(spec.budget), spec.folds, spec.seed,
        named.name, ranker.card.fingerprint, wanted.name, str(wanted.plugin),
        registry.version("topic_attack", wanted.plugin.use), load_table(attack.substitutes).digest, role.key,
        [other.key for other in own], UNIT, played,
    )  # fmt: skip
