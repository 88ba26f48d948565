"""Instructions and spoofed identifiers in documents: whole, where they should be, and controls as long as they are."""

from __future__ import annotations

from random import Random

import pytest

from robustrank.perturbations.oracle import MeteredOracle, MeteredRanker
from robustrank.perturbations.verify import verify
from robustrank.plugin import Budget, Perturbation, PluginError
from robustrank.testing import WordWeights, check_attack, make_case
from robustrank_attacks.injection.inject_instruction import HEADLINE, KINDS, MARKER, OTHER, InjectInstruction
from robustrank_attacks.injection.spoof_identifiers import FORMS, LABELS, SpoofIdentifiers

Attack = InjectInstruction | SpoofIdentifiers

TEXTS = ["Cats sleep all day. They hunt at night.", "A cat.", "Nothing of the kind."]
PLACES = ("start", "middle", "end")
BUDGETS = (Budget(edits=0), Budget(edits=9), Budget(edits=40), Budget())
CONTROLS = (None, "neutral", "harmless", "marker", "other")


def made(attack: Attack, budget: Budget | None = None) -> tuple[Perturbation, int]:
    """What an attack makes of the first text, and its edits; it must be legal."""
    ranker, budget = WordWeights(), budget or Budget()
    case = make_case(ranker, "cats sleep", TEXTS, 0)
    oracle = MeteredOracle(MeteredRanker(ranker), case, attack.threat, budget)
    returned = attack.perturb(case, oracle, Random(3))
    finding = verify(case, returned, attack.threat, budget)
    assert finding.violations == ()
    return returned, finding.edits


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("control", CONTROLS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("breakout", [False, True])
def test_instructions_keep_the_contract(kind: str, control: str | None, place: str, breakout: bool) -> None:
    attack = InjectInstruction(kind=kind, place=place, control=control, breakout=breakout)  # type: ignore[arg-type]
    check_attack(attack, WordWeights(), [make_case(WordWeights(), "cats sleep", TEXTS, 0)], budgets=BUDGETS)
    assert attack.threat.control == (control is not None)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("control", [None, "neutral", "unlabelled"])
@pytest.mark.parametrize("form", FORMS)
def test_spoofed_identifiers_keep_the_contract(form: str, control: str | None, place: str) -> None:
    if control == "unlabelled" and form not in LABELS:
        with pytest.raises(PluginError, match="control"):
            SpoofIdentifiers(form=form, control=control)  # type: ignore[arg-type]
        return
    attack = SpoofIdentifiers(form=form, place=place, control=control)  # type: ignore[arg-type]
    check_attack(attack, WordWeights(), [make_case(WordWeights(), "cats sleep", TEXTS, 0)], budgets=BUDGETS)
    assert attack.threat.control == (control is not None)


@pytest.mark.parametrize(
    ("place", "start", "end"),
    [
        ("start", "[KX7]", TEXTS[0]),
        ("middle", "Cats sleep all day. [KX7]", " They hunt at night."),
        ("end", TEXTS[0], ""),
    ],
)
def test_the_instruction_stands_where_it_should_and_the_rest_of_the_text_is_as_it_was(
    place: str, start: str, end: str
) -> None:
    text = str(made(InjectInstruction(place=place))[0].target)  # type: ignore[arg-type]
    assert text.startswith(start)
    assert text.endswith(end)
    assert text.count(MARKER) == 2
    assert text.count(HEADLINE) == 1
    assert "\n\n" in text, "line breaks are part of it"


def test_breaking_out_leaves_the_quotation_of_a_template_closed() -> None:
    text = f'Passage: "{made(InjectInstruction(breakout=True))[0].target}"'
    assert text.count('"') == 4
    quoted = text.split('"')[1]
    assert quoted.endswith(MARKER)
    assert HEADLINE not in quoted, "the instruction stands outside the quotation"


@pytest.mark.parametrize("kind", KINDS)
def test_controls_are_as_long_and_lack_what_makes_the_attack(kind: str) -> None:
    _, edits = made(InjectInstruction(kind=kind))  # type: ignore[arg-type]
    by = {c: made(InjectInstruction(kind=kind, control=c)) for c in CONTROLS[1:]}  # type: ignore[arg-type]
    for control, (control_made, control_edits) in by.items():
        text = str(control_made.target)
        assert (MARKER in text) == (control == "marker")
        if control != "marker":
            assert abs(control_edits - edits) <= 2
        assert (HEADLINE in text) == (control in ("harmless", "other"))
        assert "most relevant" not in text or control == "other"
    assert str(by["other"][0].target).count(OTHER) == 1, "no document has the marker that it speaks of"


@pytest.mark.parametrize(
    "attack", [InjectInstruction(), SpoofIdentifiers(form="passage"), SpoofIdentifiers(form="role")]
)
def test_a_text_goes_in_whole_or_not_at_all(attack: Attack) -> None:
    _, edits = made(attack)
    assert made(attack, Budget(edits=edits - 1))[0] == Perturbation()
    assert made(attack, Budget(edits=edits))[1] == edits


def test_a_spoofed_order_names_the_number_and_another_one_after_it() -> None:
    assert str(made(SpoofIdentifiers(number=3))[0].target).endswith("[3] > [1]")
    assert str(made(SpoofIdentifiers(number=1))[0].target).endswith("[1] > [2]")
    assert "'cats sleep'" in str(made(SpoofIdentifiers(form="passage"))[0].target)


@pytest.mark.parametrize(("form", "label"), [("passage", "[1] "), ("letter", "Passage A: ")])
def test_an_unlabelled_passage_lacks_nothing_but_the_label(form: str, label: str) -> None:
    spoofed, plain = (
        str(made(SpoofIdentifiers(form=form, control=control))[0].target)  # type: ignore[arg-type]
        for control in (None, "unlabelled")
    )
    assert spoofed.count(label) == 1
    assert spoofed.replace(label, "") == plain


def test_wrong_options_are_refused() -> None:
    for wrong in ({"kind": "polite"}, {"place": "top"}, {"control": "none"}):
        with pytest.raises(PluginError, match="inject_instruction"):
            InjectInstruction(**wrong)  # type: ignore[arg-type]
    for other in ({"form": "x"}, {"place": "top"}, {"number": 0}):
        with pytest.raises(PluginError, match="spoof_identifiers"):
            SpoofIdentifiers(**other)
