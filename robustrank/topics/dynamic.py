"""The dynamic setting: the lists change after the attack, and the attacker may react within a budget of new lists.

Events, in this order, each in addition to those before:

=============  ====================================================================================================
documents      documents drawn from the whole collection join every list
rivals         the query's rarest words are put before the competitors next above the target: other attackers' edits
queries        half of the held-out queries join those that are attacked
victim         the next ranker of the file takes the place of the victim
=============  ====================================================================================================
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from robustrank.core.topic_types import Edits, TopicAttack
from robustrank.core.types import Document
from robustrank.core.words import words
from robustrank.perturbations import group_oracle
from robustrank.perturbations.apply import with_edits
from robustrank.perturbations.group_oracle import RankedList
from robustrank.perturbations.oracle import MeteredRanker
from robustrank.topics.edits import within_budget
from robustrank.topics.records import Event
from robustrank.topics.scene import Role, Scene

ADDED = 10
"""Documents that join each list."""

RIVALS, RIVAL_WORDS = 3, 2
"""Competitors of each list that are edited, and words each of them gets."""


@dataclass(frozen=True)
class _World:
    """Victim and lists after some of the events; the target is in every list with its clean text."""

    ranker: MeteredRanker
    attack: tuple[RankedList, ...]
    held_out: tuple[RankedList, ...]


def play(scene: Scene, ranker: MeteredRanker, role: Role, attack: TopicAttack, text: str, rng: Random) -> list[Event]:
    """Ranks of an attack's text after each event, kept unchanged and after the attacker's reaction.

    The attacker first requests the ranks of its present text, then attacks the clean document again with the lists
    that are left, and keeps the text that the victim ranks better for the attacked queries.

    Returns:
        One entry per event.
    """
    world = _World(ranker, tuple(role.of(role.group.attack)), tuple(role.of(role.group.held_out)))
    target, shown, spent, events = role.target, text, 0, []
    for name, change in (("documents", _documents), ("rivals", _rivals), ("queries", _queries), ("victim", _victim)):
        world = change(world, scene, target, rng)
        limit = scene.spec.reactions
        budget = replace(scene.spec.budget, lists=limit)
        oracle = group_oracle.GroupOracle(world.ranker, world.attack, target, budget)
        if oracle.affordable > 1:
            (now,) = oracle.ranks([shown])
            case = group_oracle.topic_case(role.group.topic_id, world.attack, target)
            left = group_oracle.GroupOracle(
                world.ranker, world.attack, target, replace(budget, lists=limit - oracle.spent)
            )
            other = attack.perturb(case, left, rng)
            # The attack has requested the ranks of its text already: reading them again costs nothing.
            then = group_oracle.ranks(world.ranker, world.attack, target, other)
            legal = not within_budget(target.text, other, attack.substitutes, budget).violations
            shown = other if legal and sum(then) < sum(now) else shown
            spent += oracle.spent + left.spent
        events.append(
            Event(
                event=name,
                lists=spent,
                clean=[one.rank(target.doc_id) for one in world.held_out],
                kept=group_oracle.ranks(world.ranker, world.held_out, target, text),
                reacted=group_oracle.ranks(world.ranker, world.held_out, target, shown),
            )
        )
    return events


def _documents(world: _World, scene: Scene, target: Document, rng: Random) -> _World:
    pool = sorted(scene.collection.documents)

    def more(one: RankedList) -> RankedList:
        drawn = (d for d in rng.sample(pool, min(2 * ADDED, len(pool))) if d not in one.docs)
        added = [scene.collection.documents[d] for d in list(drawn)[:ADDED]]
        return group_oracle.ranked(world.ranker, one.query, [*one.docs.values(), *added])

    return _changed(world, more)


def _rivals(world: _World, scene: Scene, target: Document, rng: Random) -> _World:
    def edited(one: RankedList) -> RankedList:
        ranking = one.ranked()
        above = ranking[: one.rank(target.doc_id) - 1][-RIVALS:]
        query_words = sorted(
            {word.text for word in words(one.query.text)}, key=lambda word: (_frequency(word, one), word)
        )
        change = Edits(insertions=[(0, word) for word in query_words[:RIVAL_WORDS]])
        new = {doc.doc_id: doc._replace(text=with_edits(doc.text, change)) for doc in above}
        return group_oracle.ranked(world.ranker, one.query, [new.get(doc.doc_id, doc) for doc in one.docs.values()])

    return _changed(world, edited)


def _queries(world: _World, scene: Scene, target: Document, rng: Random) -> _World:
    joined = len(world.held_out) // 2
    return replace(world, attack=(*world.attack, *world.held_out[:joined]), held_out=world.held_out[joined:])


def _victim(world: _World, scene: Scene, target: Document, rng: Random) -> _World:
    """The ranker after the present one in the file; the first again after the last."""
    every = [scene.victim(named.name) for named in scene.spec.rankers]
    new = every[(every.index(world.ranker) + 1) % len(every)]
    world = replace(world, ranker=new)
    return _changed(world, lambda one: group_oracle.ranked(new, one.query, list(one.docs.values())))


def _changed(world: _World, change: Any) -> _World:
    return replace(world, attack=tuple(map(change, world.attack)), held_out=tuple(map(change, world.held_out)))


def _frequency(word: str, one: RankedList) -> int:
    return sum(word.lower() in doc.text.lower() for doc in one.docs.values())


def held_out_boosts(events: Sequence[Event], what: str) -> list[float]:
    """Mean boost over held-out queries after each event, of the text that was ``"kept"`` or that ``"reacted"``."""
    return [sum(c - r for c, r in zip(e.clean, getattr(e, what), strict=True)) / len(e.clean) for e in events]
