"""The ratchet file: per-query values of an earlier audit, kept under version control, that ``worse_by`` compares with.

It holds what the comparison needs and no more, one query a line, so that a change of it can be reviewed. A query's key
is a hash of its text, candidates and judgments: where those changed, values are not compared but refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from robustrank.core.errors import ConfigError
from robustrank.core.types import Estimate
from robustrank.results.figures import Figure
from robustrank.results.summary import Summary
from robustrank.storage import files, typed

SCHEMA = 1


@dataclass(frozen=True, kw_only=True)
class Held:
    """One figure of an earlier audit."""

    measure: str
    labels: Mapping[str, str]
    made: str
    fingerprint: str
    mean: float
    per_query: Sequence[tuple[str, str, float]]
    """Query id, key and value, by query id."""


@dataclass(frozen=True, kw_only=True)
class Ratchet:
    """A ratchet file."""

    audit: str
    """Name of the audit it was written from."""
    figures: Sequence[Held]

    def find(self, figure: Figure) -> Held | None:
        """The figure of the same name."""
        labels = dict(figure.labels)
        return next((h for h in self.figures if h.measure == figure.measure and dict(h.labels) == labels), None)


def read(path: Path) -> Ratchet | None:
    """Read a ratchet file; ``None`` where there is none yet.

    Raises:
        ConfigError: It is not a ratchet file of this version.
    """
    try:
        result: Ratchet = typed.loads(path.read_text(encoding="utf-8"), Ratchet, SCHEMA)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: not a ratchet file: {error}") from error
    return result


def losses(
    held: Held, figure: Figure, summary: Summary, path: Path | str, gone: Sequence[str] = ()
) -> dict[str, float]:
    """Query id to how much worse the figure's value is than the one held; positive is worse.

    Queries that only one of the two has are left out (:func:`gap`), but for those of ``gone``: those are assumed.

    Raises:
        ConfigError: The two are not comparable.
    """
    if held.made != figure.made:
        raise ConfigError(
            f"{path}: {figure} was measured differently in this file (attack, budget, edits, strata or seed); {_ANEW}"
        )
    keys = next(c.query_keys for c in summary.collections if c.name == figure.collection)
    theirs = {
        query_id: value for query_id, key, value in held.per_query if keys.get(query_id) == key or query_id in gone
    }
    changed = [query_id for query_id, key, _ in held.per_query if keys.get(query_id, key) != key]
    if changed:
        raise ConfigError(
            f"{path}: {len(changed)} of {len(held.per_query)} queries of {figure} now have a different text, other "
            f"candidates or other judgments, for example {changed[0]!r}; {_ANEW}"
        )
    common = sorted(set(theirs) & set(figure.per_query))
    if len(common) < 2:
        raise ConfigError(f"{path}: {figure} has {len(common)} queries in common with it; {_ANEW}")
    sign = 1 if figure.higher_is_better else -1
    return {query_id: sign * (theirs[query_id] - figure.per_query[query_id]) for query_id in common}


class Gap(NamedTuple):
    """What the file and an audit do not share."""

    gone: Sequence[str]
    """Queries of the file without a value in the audit: a loss may hide there."""
    new: int
    """Queries of the audit that the file does not have."""

    def sentence(self, path: Path | str, queries: int) -> str:
        """``"3 of 40 queries of x.json have no value in this audit, for example 'q7'"``; empty without a gap."""
        name, parts = Path(path).name, []
        if self.gone:
            parts.append(
                f"{len(self.gone)} of {queries} queries of {name} have no value in this audit, for example "
                f"{self.gone[0]!r}"
            )
        if self.new:
            parts.append(f"{self.new} queries of this audit are not in {name} and are not compared")
        return "; ".join(parts)


def gap(held: Held, figure: Figure, summary: Summary) -> Gap:
    """The queries that only one of the two has; those that an audit has yet to reach are none of them.

    An audit with ``[sequential]`` stops at some number of queries by its own rule, in the order of drawing.
    """
    keys = next(c.query_keys for c in summary.collections if c.name == figure.collection)
    present, ended = {*figure.per_query, *figure.open}, summary.finished is not None and not summary.sequential
    theirs = [query_id for query_id, *_ in held.per_query]
    gone = [query_id for query_id in theirs if query_id not in (present if ended else keys)]
    return Gap(gone, len(present - {*theirs}))


def unchanged(held: Held, figure: Figure, lost: Mapping[str, float]) -> Estimate | None:
    """A loss of exactly nothing, where it is the same ranker that gave the same values."""
    same = held.fingerprint == figure.fingerprint and not any(lost.values())
    return Estimate(0.0, 0.0, 0.0, len(lost)) if same else None


def updated(old: Ratchet | None, figures: Sequence[Figure], summary: Summary, *, force: bool = False) -> Ratchet:
    """A ratchet that holds these figures.

    It only ever tightens: a figure that became worse, if only a little, stays as it was, or many small losses would
    add up to a large one. ``force`` takes the new figures as they are.

    Raises:
        ConfigError: A figure has no per-query values; or it lacks queries of the file, and no ``force``.
    """
    entries = []
    for figure in figures:
        new = _hold(figure, summary)
        held = old.find(figure) if old else None
        gone = gap(held, figure, summary).gone if held is not None and held.made == new.made else ()
        if held is not None and gone and not force:
            raise ConfigError(
                f"{figure} has no values of {len(gone)} of the {len(held.per_query)} queries that the ratchet file "
                f"has, for example {gone[0]!r}: the mean of the others is no tightening; {_ANEW}"
            )
        sign = 1 if figure.higher_is_better else -1
        keeps = held is not None and held.made == new.made and sign * (held.mean - new.mean) > 0 and not force
        entries.append(held if held is not None and keeps else new)
    return Ratchet(audit=summary.name, figures=sorted(entries, key=lambda h: (h.measure, sorted(h.labels.items()))))


def write(ratchet: Ratchet, path: Path) -> None:
    """Write a ratchet file, whole or not at all.

    Raises:
        StoreError: It cannot be written.
    """
    figures = ",\n".join(_dump(held) for held in ratchet.figures)
    head = f'"schema": {SCHEMA},\n"audit": {json.dumps(ratchet.audit)}'
    files.replace(path, f'{{\n{head},\n"figures": [\n{figures}\n]\n}}\n')


_ANEW = "write it anew with `robustrank gate DIR --update-ratchet --force`"


def _hold(figure: Figure, summary: Summary) -> Held:
    keys = next((c.query_keys for c in summary.collections if c.name == figure.collection), {})
    if not figure.per_query or not set(figure.per_query) <= set(keys):
        raise ConfigError(f"{figure} has no per-query values in this summary; run the audit's command again")
    rows = [(query_id, keys[query_id], figure.per_query[query_id]) for query_id in sorted(figure.per_query)]
    return Held(
        measure=figure.measure,
        labels=dict(figure.labels),
        made=figure.made,
        fingerprint=figure.fingerprint,
        mean=sum(value for *_, value in rows) / len(rows),
        per_query=rows,
    )


def _dump(held: Held) -> str:
    rows = ",\n".join(f"  {json.dumps(list(row))}" for row in held.per_query)
    head = {"measure": held.measure, "labels": dict(held.labels), "made": held.made, "fingerprint": held.fingerprint}
    return f'{json.dumps(head)[:-1]},\n "mean": {held.mean!r}, "per_query": [\n{rows}\n]}}'
