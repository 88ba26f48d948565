"""A ranker of lists, asked in groups: what an altered document can do to the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import pytest

from robustrank.core.errors import PluginError
from robustrank.core.interfaces import Certifier
from robustrank.core.ranking import order
from robustrank.core.types import Document, Query, RankerCard
from robustrank.testing import check_defense
from robustrank_defenses.certified.groups import Groups

QUERY = Query("q", "a query")


@dataclass(frozen=True)
class Injected:
    """Ranks by the number in a text; one that holds an order turns the whole prompt round, or draws it."""

    card = RankerCard(name="injected", fingerprint="injected", pointwise=False)

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        worth = [float(doc.text.split()[-1] if doc.text[-1:].isdecimal() else 0) for doc in docs]
        orders = [doc.text for doc in docs if doc.text.startswith("!")]
        if any(text.startswith("!draw") for text in orders):
            rng = Random(" ".join(orders))
            return [rng.random() for _ in docs]
        return [-value for value in worth] if orders else worth


DOCS = [Document(f"d{n}", str(10 - n)) for n in range(8)]


@pytest.mark.parametrize(
    ("defense", "bounded"), [(Groups(), 5), (Groups(size=3, rounds=12), 0), (Groups(size=8, rounds=2), 0)]
)
def test_no_document_falls_below_its_lowest_place(defense: Groups, bounded: int) -> None:
    ranker = defense.wrap(Injected())
    lowest = ranker.lowest(QUERY, DOCS, [1, 2])
    assert {each.doc_id for each in lowest[:8]} == {d.doc_id for d in DOCS}
    assert sum(each.altered < 8 for each in lowest) >= bounded
    rng = Random(1)
    for number in (1, 2):
        for trial in range(40):
            altered = rng.sample(DOCS, number)
            text = "! 0" if trial % 4 == 0 else f"!draw {trial} 5"
            attacked = [d._replace(text=text) if d in altered else d for d in DOCS]
            more = [*DOCS, *(Document(f"new {n}", text) for n in range(number))]
            for docs, changed in ((attacked, True), (more, False)):
                after = order(list(zip((d.doc_id for d in docs), ranker.score(QUERY, docs), strict=True)))
                for each in lowest:
                    most = each.altered if changed else each.added
                    if each.documents == number and most is not None and each.doc_id not in {d.doc_id for d in altered}:
                        assert after.index(each.doc_id) < most


def test_pairs_keep_what_a_whole_list_does_not() -> None:
    broken = [DOCS[0], DOCS[1], *DOCS[2:7], DOCS[7]._replace(text="! 1")]
    assert order(list(zip((d.doc_id for d in DOCS), Injected().score(QUERY, broken), strict=True)))[:2] == ["d7", "d6"]
    ranker = Groups().wrap(Injected())
    after = order(list(zip((d.doc_id for d in DOCS), ranker.score(QUERY, broken), strict=True)))
    assert [d for d in after if d != "d7"] == [f"d{n}" for n in range(7)]


def test_how_far_documents_of_a_strict_order_can_fall_in_all_pairs() -> None:
    """Neighbours are one win apart: one new document may undo that, and stand in front itself."""
    lowest = Groups().wrap(Injected()).lowest(QUERY, DOCS, [0, 1])
    assert [each.added for each in lowest] == [1, 2, 3, 4, 5, 6, 7, 8, 3, 4, 5, 6, 7, 8, 9, 9]
    assert [each.altered for each in lowest[:8]] == [each.place for each in lowest[:8]] == list(range(1, 9))
    assert {each.added for each in Groups(size=3).wrap(Injected()).lowest(QUERY, DOCS, [1])} == {None}


def test_it_keeps_the_contract_and_issues_no_certificate_of_audits() -> None:
    check_defense(Groups(), Injected(), QUERY, DOCS)
    check_defense(Groups(size=3), Injected(), QUERY, DOCS)
    assert not isinstance(Groups().wrap(Injected()), Certifier)


def test_what_it_cannot_wrap_or_be_is_refused() -> None:
    @dataclass(frozen=True)
    class Chance(Injected):
        card = RankerCard(name="chance", fingerprint="chance", deterministic=False)

    with pytest.raises(PluginError, match="does not answer alike twice"):
        Groups().wrap(Chance())
    with pytest.raises(PluginError, match="size must be at least 2"):
        Groups(size=1)
    with pytest.raises(PluginError, match="rounds must be at least 1"):
        Groups(rounds=0)
    with pytest.raises(PluginError, match="cannot be altered"):
        Groups().wrap(Injected()).lowest(QUERY, DOCS, [-1])
    assert Groups().wrap(Injected()).score(QUERY, []) == []
    assert Groups().wrap(Injected()).score(QUERY, DOCS[:1]) == [0.0]
