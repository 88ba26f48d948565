"""The certificate auditor: it finds what is known to fail, and the smallest form of it; sound bounds survive."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from click.testing import CliRunner

from robustrank.certificates.auditor.claims import ALPHA_BETA, AVERAGED_BETA, UNEQUAL_SETS, Claim
from robustrank.certificates.auditor.run import claim, names
from robustrank.certificates.auditor.search import audit, described, draw
from robustrank.certificates.auditor.spaces import SmallSpace
from robustrank.certificates.insertion import Erasure
from robustrank.cli.main import main
from robustrank.core.errors import PluginError

FAILING = ("unequal-sets", "averaged-beta", "alpha-beta")
FAILING_OF_BLOCKS = ("erase-narrow", "windows-apart", "windows-highest")
"""Of one block of inserted words."""


def too_bold(space: SmallSpace) -> float:
    """Says that an attack can do nothing."""
    return space.smoothed()


@pytest.mark.parametrize("name", FAILING)
@pytest.mark.parametrize("seed", range(5))
def test_bounds_known_to_fail_are_found_and_shrunk_to_the_smallest(name: str, seed: int) -> None:
    tried = claim(name)
    found = audit(tried, cases=1000, seed=seed).example
    assert found is not None
    space = found.space
    assert len(space.document) == (1 if tried.kind == "substitution" else 2)
    assert space.radius == 1
    assert list(space.scores.values()) == [1.0]
    # The example stands by itself: an enumeration over nothing but the space confirms it.
    assert tried.bound(space) == pytest.approx(found.claimed)
    assert space.smoothed(found.attacked) == pytest.approx(found.true)
    assert (found.true > found.claimed) is (tried.side == "upper")


@pytest.mark.parametrize("name", [name for name in names() if name not in (*FAILING, *FAILING_OF_BLOCKS)])
def test_our_bounds_survive(name: str) -> None:
    assert audit(claim(name), cases=200, seed=1).example is None


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in names() if name not in (*FAILING, *FAILING_OF_BLOCKS)])
def test_our_bounds_survive_a_large_sweep(name: str) -> None:
    assert audit(claim(name), cases=2500 if claim(name).kind == "deletion" else 10_000, seed=2).example is None


@pytest.mark.parametrize("name", FAILING_OF_BLOCKS)
@pytest.mark.parametrize("seed", range(3))
def test_bounds_on_blocks_known_to_fail_are_found_and_shrunk(name: str, seed: int) -> None:
    tried = claim(name)
    found = audit(tried, cases=1000, seed=seed).example
    assert found is not None
    space = found.space
    assert len(space.document) <= (8 if name == "windows-apart" else 4)
    assert set(space.scores.values()) == {1.0}
    assert space.radius == 1
    assert tried.bound(space) == pytest.approx(found.claimed)
    assert space.smoothed(found.attacked) == pytest.approx(found.true)
    assert found.true > found.claimed
    assert space.reading is not None
    assert str(space.reading) in described(tried, audit(tried, cases=1000, seed=seed))


def test_the_bounds_on_blocks_in_closed_form_are_never_below_those_that_are_computed() -> None:
    rng, tight = Random(5), 0
    for closed, exact in (("erase-plain", "erase"), ("windows-ordered", "windows")):
        for _ in range(300):
            space = draw(claim(exact).kind, rng, size=rng.randint(1, 4))
            assert claim(closed).bound(space) >= claim(exact).bound(space) - 1e-12
            true = max(map(space.smoothed, space.attacks()))
            assert claim(exact).bound(space) >= true - 1e-12
            tight += claim(exact).bound(space) == pytest.approx(true)
    assert tight > 100, "the bounds say something"


def test_attacks_on_parts_are_all_blocks_at_all_places_that_the_attack_set_allows() -> None:
    space = SmallSpace(
        kind="erasure", document=("a", "b"), radius=2, vocabulary=("!",), reading=Erasure(words=2, place="end")
    )
    assert {"".join(words) for words in space.attacks()} == {"ab", "ab!", "ab!!"}
    space = replace(space, radius=1, reading=Erasure(words=1))
    assert {"".join(words) for words in space.attacks()} == {"ab", "!ab", "a!b", "ab!"}


def test_the_examples_of_the_dossier_are_counter_examples() -> None:
    first = SmallSpace(kind="masking", document=tuple("abcdef"), radius=1, kept=2, scores={
        ("a", *("_" if i != j else "bcdef"[i] for i in range(5))): 1.0 for j in range(5)
    })  # fmt: skip
    assert AVERAGED_BETA.bound(first) == pytest.approx(0.222, abs=1e-3)
    stranger = SmallSpace(
        kind="masking", document=tuple("abc"), radius=1, kept=1, vocabulary=("!",), scores={("!", "_", "_"): 1.0}
    )
    assert ALPHA_BETA.bound(stranger) == pytest.approx(1 / 9)
    assert max(map(stranger.smoothed, stranger.attacks())) == pytest.approx(1 / 3)
    members = {"a": ("a", "b"), "b": tuple("abcdef")}
    unequal = SmallSpace(
        kind="substitution", document=("a",), radius=1, synonyms={"a": ("b",)}, sets=members,
        scores={(word,): 1.0 for word in "cdef"},
    )  # fmt: skip
    assert UNEQUAL_SETS.bound(unequal) == 0.0
    assert unequal.smoothed(("b",)) == pytest.approx(2 / 3)


def test_distributions_of_small_spaces_sum_to_one() -> None:
    spaces = [
        SmallSpace(kind="masking", document=tuple("abcd"), radius=1, kept=2),
        SmallSpace(kind="deletion", document=tuple("aab"), radius=1, keep=0.3),
        SmallSpace(kind="substitution", document=tuple("ab"), radius=1, sets={"a": ("a", "b")}),
    ]
    assert all(sum(space.distribution().values()) == pytest.approx(1) for space in spaces)


def test_deletion_attacks_are_the_words_within_the_edit_distance() -> None:
    space = SmallSpace(kind="deletion", document=("a", "b"), radius=1, vocabulary=("!",))
    assert {"".join(words) for words in space.attacks()} == {"ab", "!ab", "a!b", "ab!", "b", "a", "!b", "a!"}


def test_a_function_of_ones_own_is_tried_and_the_attack_is_printed() -> None:
    runner = CliRunner()
    mine = f"{__name__}:too_bold"
    result = runner.invoke(main, ["audit-certificate", mine, "--space", "deletion", "--cases", "100"])
    assert result.exit_code == 1
    assert "does not hold as a worst-case bound in our test" in result.output
    assert "true 0.5" in result.output or "true 0.25" in result.output or "true 0.75" in result.output
    assert runner.invoke(main, ["audit-certificate", "total-variation", "--cases", "50"]).exit_code == 0


def test_every_installed_bound_is_tried_by_default() -> None:
    output = CliRunner().invoke(main, ["audit-certificate", "--cases", "40"]).output
    assert all(f"{name} (" in output for name in names())


@pytest.mark.parametrize(
    ("name", "message"),
    [("total", "have: alpha-beta"), ("nowhere:bound", "cannot be imported"), (f"{__name__}:too_bold", "--space")],
)
def test_what_cannot_be_tried_is_refused_with_the_mend(name: str, message: str) -> None:
    with pytest.raises(PluginError, match=message):
        claim(name)


def test_a_bound_that_fails_itself_is_named() -> None:
    result = CliRunner().invoke(main, ["audit-certificate", "math:sqrt", "--space", "masking"])
    assert result.exit_code == 2
    assert "bound math:sqrt" in result.output


def test_a_claim_that_survives_is_not_called_proven() -> None:
    silent = Claim(name="one", kind="masking", side="upper", bound=lambda space: 1.0, formula="1")
    assert "that is no proof" in described(silent, audit(silent, cases=5))
