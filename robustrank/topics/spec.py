"""The topic file: collection, groups of queries, documents to promote, attacks, rankers and budget of a topic study."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from robustrank.config.tables import key, read, read_as, toml
from robustrank.core.errors import ConfigError
from robustrank.core.plugin_spec import Plugin
from robustrank.core.topic_types import TopicBudget


@dataclass(frozen=True, kw_only=True)
class GroupsSpec:
    """``[groups]``: where the groups come from (:mod:`robustrank.topics.groups`).

    Args:
        source: ``"given"`` reads ``path``; ``"documents"`` groups queries whose relevant documents share ``key``;
            ``"variations"`` makes a topic of a query and its variations by each ``[[variation]]``; ``"clusters"``
            clusters queries by their words.
        path: The JSON file of ``"given"``.
        key: The regular expression of ``"documents"``.
        least: The least cosine of two queries of one of the ``"clusters"``.
        attacked: Attacked queries of a group.
        held_out: Held-out queries of a group.
        draws: Draws of attacked queries of a topic, each a group of its own.
        smallest: Groups with fewer queries of either kind are left out.
        coherence: Groups below are left out.
        limit: The most topics, drawn with the seed; ``None`` keeps all.
        queries: Only queries whose id has this prefix.
        documents: Only documents whose id has this prefix.
    """

    source: str = "documents"
    path: str = ""
    key: str = "(.*)"
    least: float = 0.2
    attacked: int = 5
    held_out: int = 5
    draws: int = 1
    smallest: int = 2
    coherence: float = 0.0
    limit: int | None = None
    queries: str = ""
    documents: str = ""


@dataclass(frozen=True, kw_only=True)
class TargetsSpec:
    """``[targets]``: which documents are promoted.

    Args:
        per_group: Documents of each group, drawn with the seed from those relevant to none of its queries.
        best: The best median clean rank, over the attacked queries, that a target may have.
        worst: The worst.
        depth: Candidates of each query. A target that is no candidate of a query joins its list.
    """

    per_group: int = 1
    best: int = 51
    worst: int = 100
    depth: int = 100


@dataclass(frozen=True, kw_only=True)
class NamedPlugin:
    """One ``[[attack]]``; ``dynamic`` attacks play the dynamic setting, too."""

    name: str
    plugin: Plugin
    dynamic: bool = False


@dataclass(frozen=True, kw_only=True)
class NamedRanker(NamedPlugin):
    """One ``[[ranker]]``; all of them are played in the dynamic setting, unless ``dynamic`` is false."""

    dynamic: bool = True


@dataclass(frozen=True, kw_only=True)
class TopicSpec:
    """A whole topic file.

    Args:
        name: Of the study; its folder.
        collection: Documents, queries, judgments.
        groups: The topics.
        targets: The documents to promote.
        rankers: The victims, one after the other.
        attacks: The attacks; the first one is compared with each of the others.
        budget: The same for all.
        variations: Plug-ins that make query variations, where the source of groups is ``"variations"``.
        folds: Number of folds of topics; an attack trains on the topics of the other folds.
        reactions: Lists an attacker may request after each event of the dynamic setting.
        seed: Of all randomness.
    """

    name: str
    collection: Plugin
    rankers: tuple[NamedRanker, ...] = key("ranker")
    attacks: tuple[NamedPlugin, ...] = key("attack")
    groups: GroupsSpec = GroupsSpec()
    targets: TargetsSpec = TargetsSpec()
    budget: TopicBudget = field(default_factory=TopicBudget)
    variations: tuple[Plugin, ...] = key("variation", default=())
    folds: int = 2
    reactions: int = 40
    seed: int = 13


def load(path: Path | str) -> TopicSpec:
    """Read a topic file; its relative paths begin where it lies.

    Raises:
        ConfigError: No such file, not TOML, an unknown key (with the nearest valid one), or a wrong value.
    """
    where, folder = str(path), Path(path).parent
    spec = read_as(TopicSpec, toml(read(path, "topic file"), where), where, folder)
    _check(spec, where)
    given = spec.groups.path and str(folder / spec.groups.path)
    return replace(spec, groups=replace(spec.groups, path=given))


def _check(spec: TopicSpec, where: str) -> None:
    if not spec.rankers or not spec.attacks:
        raise ConfigError(f"{where}: needs at least one [[ranker]] and one [[attack]]")
    for kind, names in {"ranker": [r.name for r in spec.rankers], "attack": [a.name for a in spec.attacks]}.items():
        for name in names:
            if names.count(name) > 1:
                raise ConfigError(f"{where}: two [[{kind}]] tables are named {name!r}; give one another `name`")
    if spec.groups.source not in ("given", "documents", "variations", "clusters"):
        raise ConfigError(f"{where}: [groups] source must be 'given', 'documents', 'variations' or 'clusters'")
    for name in ("attacked", "held_out", "draws"):
        if getattr(spec.groups, name) < 1:
            raise ConfigError(f"{where}: [groups] {name} must be at least 1")
    if spec.groups.source == "given" and not spec.groups.path:
        raise ConfigError(f"{where}: [groups] source 'given' needs a path")
    if bool(spec.variations) != (spec.groups.source == "variations"):
        raise ConfigError(f"{where}: [groups] source 'variations' and a [[variation]] each need the other")
    if spec.folds < 2:
        raise ConfigError(f"{where}: folds must be at least 2: an attack must not train on the groups that evaluate it")
    if not 1 <= spec.targets.best <= spec.targets.worst:
        raise ConfigError(f"{where}: [targets] best must be at least 1 and at most worst")
