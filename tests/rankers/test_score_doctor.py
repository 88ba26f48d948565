"""The score doctor: what it reports of rankers whose scores are known to be odd, and of two that should be one."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from math import exp
from pathlib import Path

import pytest
from click.testing import CliRunner

from robustrank.cli.main import main
from robustrank.core.types import Document, Query
from robustrank.rankers.controls import Identity
from robustrank.rankers.function import FunctionRanker
from robustrank.testing.score_doctor import Pair, diagnose, twins

LISTS = [
    (
        Query(f"q{n}", f"{n} cats eat"),
        [Document(f"d{i}", f"{'cats ' * i} and {(i * 7 + n) % 5} eat") for i in (3, 1, 4, 2, 5)],
    )
    for n in range(4)
]


def logits(query: str, texts: Sequence[str]) -> list[float]:
    return [2.0 * (len(text) - 20) + len({*query.split()} & {*text.split()}) / 10 for text in texts]


def ranker(function: Callable[[str, Sequence[str]], list[float]], pointwise: bool = True) -> FunctionRanker:
    return FunctionRanker(function, "it", pointwise)


def warnings(function: Callable[[str, Sequence[str]], list[float]], pointwise: bool = True) -> str:
    return " | ".join(diagnose(ranker(function, pointwise), LISTS).warnings())


def test_an_honest_ranker_has_its_range_and_no_warning() -> None:
    seen = diagnose(ranker(logits), LISTS)
    scores = [score for query, docs in LISTS for score in logits(query.text, [doc.text for doc in docs])]
    assert (seen.low, seen.high, seen.scores, seen.lists) == (min(scores), max(scores), 20, 4)
    assert (seen.repeat, seen.order, seen.batch, seen.owner, seen.unchanged) == (0, 0, 0, None, 0)
    assert not list(seen.warnings())


def test_a_sigmoid_that_saturates_in_float32_is_seen() -> None:
    seen = diagnose(ranker(lambda q, ts: [1 / (1 + exp(-x)) for x in logits(q, ts)]), LISTS)
    assert seen.ties < seen.ties_rounded
    assert seen.at_ends == seen.ties_rounded
    assert any("before the activation" in warning for warning in seen.warnings())


def test_ties_of_scores_that_were_rounded_are_counted() -> None:
    def coarse(query: str, texts: Sequence[str]) -> list[float]:
        return [float(len(text) > 20) for text in texts]

    seen = diagnose(ranker(coarse), LISTS)
    assert seen.ties == seen.ties_rounded == seen.at_ends == 1.0


def test_a_ranker_that_answers_in_the_order_asked_is_seen_and_a_perfect_one_is_not_confused_with_it() -> None:
    seen = diagnose(Identity(), LISTS)
    assert seen.unchanged == seen.unchanged_shuffled == 1.0
    assert "whichever order it is asked" in " | ".join(seen.warnings())
    best_first = [(query, sorted(docs, key=lambda doc: -len(doc.text))) for query, docs in LISTS]
    perfect = diagnose(ranker(logits), best_first)
    assert perfect.unchanged == 1.0
    assert perfect.unchanged_shuffled == 0.0
    assert not list(perfect.warnings())


def test_noise_and_scores_that_depend_on_the_list_are_told_apart() -> None:
    calls = count()
    assert "not deterministic" in warnings(lambda q, ts: [x + next(calls) % 3 for x in logits(q, ts)])
    softmax: Callable[[str, Sequence[str]], list[float]] = lambda q, ts: [x / sum(map(len, ts)) for x in logits(q, ts)]  # noqa: E731
    assert "pointwise = false" in warnings(softmax)
    assert "pointwise = false" not in warnings(softmax, pointwise=False)


def test_a_path_of_ours_that_leaves_the_owners_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sentence_transformers")
    from robustrank.rankers import cross_encoder

    tiny = cross_encoder.CrossEncoder(model="robustrank-tiny", device="cpu")
    right = diagnose(tiny, LISTS[:1])
    assert right.owner is not None
    assert right.owner < 1e-4 * right.spread
    assert not list(right.warnings())
    honest = cross_encoder._Batched.logits
    monkeypatch.setattr(cross_encoder._Batched, "logits", lambda *a: [x * 1.01 for x in honest(*a)])
    wrong = diagnose(tiny, LISTS[:1])
    assert "does not score as the library does" in " | ".join(wrong.warnings())


def test_float32_of_large_scores_with_a_small_spread_is_no_fault() -> None:
    calls = count()
    assert not warnings(lambda q, ts: [50000 + x / 10 + 0.1 * (next(calls) % 2) for x in logits(q, ts)])


def test_twins_in_another_scale_have_one_order_and_swapped_ones_name_the_first_list() -> None:
    ids, scores = ["a", "b", "c"], [3.0, 1.0, 2.0]
    scaled = twins([Pair("q1", ids, scores, [10 * x + 5 for x in scores])])
    assert (scaled.tau, scaled.same_order, scaled.difference) == (1.0, True, 32.0)
    assert scaled.scaled == pytest.approx(0)
    swapped = twins([Pair("q1", ids, scores, scores), Pair("q2", ids, scores, [1.0, 3.0, 2.0])])
    assert swapped.query_id == "q2"
    assert swapped.orders == (["a", "c", "b"], ["b", "c", "a"])
    assert swapped.tau == pytest.approx(0.0)
    assert "query 'q2'" in "\n".join(swapped.lines(("folder", "service")))


AUDIT = """
name = "twins"
measures = ["nDCG@10"]
[[collection]]
name = "home"
use = "selqa"
queries = 4
depth = 6
[[ranker]]
name = "one"
use = "callable"
function = "own_twins:one"
[[ranker]]
name = "other"
use = "callable"
function = "own_twins:other"
"""

SOURCE = """
def one(query, texts):
    return [len({*query.split()} & {*text.split()}) + len(text) / 1e4 for text in texts]

def other(query, texts):
    return [round(score, 1) for score in one(query, texts)]
"""


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Path]:
    """An audit file with two rankers, one of which rounds."""
    (tmp_path / "own_twins.py").write_text(SOURCE)
    (tmp_path / "twins.toml").write_text(AUDIT)
    before = list(sys.path)
    yield tmp_path / "twins.toml"
    sys.path[:] = before
    sys.modules.pop("own_twins", None)


def run(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(main, [str(each) for each in arguments])
    return done.exit_code, done.output


def test_two_rankers_of_an_audit_file_are_compared_before_and_after_it_ran(file: Path) -> None:
    code, asked = run("compare", file, "--rankers", "one", "other", "--lists", 4)
    assert code == 0, asked
    assert "Kendall's tau" in asked
    code, data = run("compare", file, "--rankers", "one", "other", "--lists", 4, "--format", "json")
    assert json.loads(data)["difference"] <= 0.05
    out = file.parent / "out"
    assert run("audit", file, "--out", out, "--executor", "serial")[0] == 0
    code, recorded = run("compare", file, "--rankers", "one", "other", "--out", out)
    assert code == 0, recorded
    assert recorded.endswith(asked)


def test_a_ranker_of_an_audit_file_is_checked_on_its_lists(file: Path) -> None:
    code, said = run("check", "ranker", "--file", file, "--ranker", "one", "--lists", 2)
    assert code == 0, said
    assert "12 of 2 lists" in said
    assert run("check", "ranker", "other", "--file", file)[0] == 0
    code, said = run("check", "ranker", "--file", file, "--ranker", "onne")
    assert code == 2
    assert "did you mean 'one'" in said
    assert run("check", "ranker")[0] == 2
