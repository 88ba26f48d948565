"""Standard suites: fixed sets of attacks and targets, versioned, so that audits of several rankers can be compared."""

from __future__ import annotations

from dataclasses import replace
from importlib.resources import files

from robustrank.config.specs import AuditSpec, CorpusSpec
from robustrank.config.tables import check_name, read_as, toml
from robustrank.core.errors import ConfigError
from robustrank.core.strata import first_rank

SUITES = {"standard": "standard/1", "standard/1": "standard/1"}
"""Names, to the version that they stand for."""

SEARCHABLE = ("bm25", "dense")
"""First stages that search, so that documents can be added; others hand out lists that are given."""


def added(spec: AuditSpec, where: str) -> AuditSpec:
    """An audit file with the attacks and targets of its suite.

    Which targets are drawn is the suite's alone; of how many queries, and of which collection, the file's.

    Raises:
        ConfigError: There is no such suite, or the lists are too short for its targets.
    """
    if not spec.suite:
        return spec
    check_name(spec.suite, list(SUITES), f"{where}: suite")
    version = SUITES[spec.suite]
    file = f"{version.replace('/', '-')}.toml"
    text = files("robustrank").joinpath("audits", file).read_text(encoding="utf-8")
    fixed = read_as(AuditSpec, toml(text, file), file, None)
    named = spec.cases.collection
    depth = next((c.depth for c in spec.collections if named in (None, c.name)), 0)
    strata = tuple(stratum for stratum in fixed.cases.strata if first_rank(stratum) <= depth)
    if spec.collections and not strata:
        raise ConfigError(
            f"{where}: suite {version!r}: its targets stand at rank {first_rank(fixed.cases.strata[0])} and below in "
            f"the first stage's lists, which have {depth} documents; a larger `depth` of the collection gives them"
        )
    cases = replace(fixed.cases, queries=spec.cases.queries, collection=named, transfer=spec.cases.transfer)
    cases = replace(cases, strata=strata, ladder=spec.cases.ladder, similarity=spec.cases.similarity)
    attacks = (*fixed.attacks, *spec.attacks)
    return replace(spec, suite=version, cases=cases, attacks=attacks, corpus=_corpus(spec, fixed.corpus))


def _corpus(spec: AuditSpec, fixed: CorpusSpec | None) -> CorpusSpec | None:
    """The suite's added documents before those of the file; none where the first stage cannot search."""
    own = spec.corpus
    named = own.collection if own else None
    stage = next((c.first_stage.use for c in spec.collections if named in (None, c.name)), "")
    if fixed is None or stage not in SEARCHABLE:
        return own
    return fixed if own is None else replace(own, attacks=(*fixed.attacks, *own.attacks))
