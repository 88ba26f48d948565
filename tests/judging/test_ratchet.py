"""Not worse than the last release: what is kept of it, how it is compared, and when that is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import cycle
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from robustrank.auditing import run as audit
from robustrank.auditing import state
from robustrank.cli.main import main
from robustrank.config import audit_file as config
from robustrank.config.specs import GateSpec
from robustrank.core.errors import ConfigError
from robustrank.judging import gate, ratchet
from robustrank.results import summary as summaries
from robustrank.results.sequential import Sequential, Stopped
from robustrank.results.summary import Summary
from robustrank.results.verdicts import Verdict
from robustrank.stats import comparisons

QUERIES = [f"q{n}" for n in range(20)]
GATE = GateSpec(name="no loss", measure="nDCG@10", where={"ranker": "net"}, worse_by=0.05)
ASR = GateSpec(name="no easier", measure="ASR@10", where={"ranker": "net", "attack": "stuffing"}, worse_by=0.1)


@pytest.fixture
def release(keyed: Summary) -> Summary:
    """The last release: per-query values for its mean and for one attack."""
    rng = np.random.default_rng(1)
    values = {query_id: float(value) for query_id, value in zip(QUERIES, rng.beta(4, 2, 20), strict=True)}
    hits = {query_id: float(n % 3 == 0) for n, query_id in enumerate(QUERIES)}
    return replace(
        keyed,
        effectiveness=[
            replace(e, per_query=values) if (e.ranker, e.collection, e.slice) == ("net", "home", None) else e
            for e in keyed.effectiveness
        ],
        attacks=[replace(a, per_query={"ASR@10": hits, "boost": hits}) for a in keyed.attacks],
    )


def changed(summary: Summary, change: Callable[[float], float], *, fingerprint: str = "next release") -> Summary:
    """Another version of the ranker, with other values of the mean."""
    return replace(
        summary,
        rankers=[replace(r, fingerprint=fingerprint) if r.name == "net" else r for r in summary.rankers],
        effectiveness=[
            replace(e, per_query={q: change(v) for q, v in e.per_query.items()}) if e.ranker == "net" else e
            for e in summary.effectiveness
        ],
    )


@pytest.fixture
def file(release: Summary, tmp_path: Path) -> Path:
    path = tmp_path / "my.ratchet.json"
    figures = [*gate.named(GATE, release), *gate.named(ASR, release)]
    ratchet.write(ratchet.updated(None, figures, release), path)
    return path


def judge(summary: Summary, file: Path, gate_: GateSpec = GATE) -> Verdict:
    [verdict] = gate.judge([gate_], summary, file)
    return verdict


def test_the_file_is_small_sorted_and_has_a_line_for_every_query(file: Path, release: Summary) -> None:
    text = file.read_text()
    assert [held.measure for held in (ratchet.read(file) or ratchet.Ratchet(audit="", figures=[])).figures] == [
        "ASR@10", "nDCG@10",
    ]  # fmt: skip
    lines = [line for line in text.splitlines() if line.startswith("  [")]
    assert len(lines) == 40
    assert lines[:20] == sorted(lines[:20])
    assert json.loads(text)["figures"][0]["per_query"][0] == ["q0", "key of q0", 1.0]
    assert len(text) < 4000


def test_the_loss_is_paired_and_judged_by_its_upper_bound(file: Path, release: Summary) -> None:
    better = changed(release, lambda v: min(1.0, v + 0.01 + v / 50))
    assert judge(better, file).outcome == "inconclusive"  # a sixth of all queries can be missed by 20
    assert judge(better, file, replace(GATE, worse_by=0.2)).outcome == "pass"
    little = changed(release, lambda v: v - 0.001 - v / 100)
    verdict = judge(little, file, replace(GATE, worse_by=0.2))
    old, new = (next(iter(gate.named(GATE, s))).per_query for s in (release, little))
    expected = comparisons.paired([old[q] for q in sorted(old)], [new[q] for q in sorted(old)]).estimate
    assert verdict.estimate == expected
    assert verdict.outcome == "pass"
    assert "is worse than in my.ratchet.json by 0.0" in verdict.reason
    assert verdict.limit == "worse by at most 0.2"
    assert judge(changed(release, lambda v: v / 2), file).outcome == "fail"
    noisy = cycle([0.0, 0.4, -0.3, 0.25])
    assert judge(changed(release, lambda v: v - next(noisy)), file).outcome == "inconclusive"


def test_non_inferiority_of_an_equal_ranker_is_seldom_claimed_when_it_is_false(file: Path, release: Summary) -> None:
    """A ranker that is worse by exactly the margin passes about one time in forty: the bound is one-sided 97.5 %."""
    rng = np.random.default_rng(2)
    draws = 200
    passes = sum(
        judge(changed(release, lambda v: v - 0.05 + rng.normal(0, 0.1)), file).outcome == "pass" for _ in range(draws)
    )
    assert passes <= 13  # binomial(200, 0.025) stays below with probability 0.999


def test_the_same_ranker_with_the_same_values_is_not_worse_however_few_queries(file: Path, release: Summary) -> None:
    verdict = judge(release, file, replace(GATE, worse_by=0.0))
    assert verdict.outcome == "pass"
    assert verdict.estimate == (0, 0, 0, 20, 0.95)
    assert judge(changed(release, lambda v: v), file, replace(GATE, worse_by=0.01)).outcome == "inconclusive"


def test_for_attacks_more_success_is_worse(file: Path, release: Summary) -> None:
    everywhere = dict.fromkeys(QUERIES, 1.0)
    worse = replace(changed(release, lambda v: v), attacks=[
        replace(a, per_query={"ASR@10": everywhere}) for a in release.attacks
    ])  # fmt: skip
    verdict = judge(worse, file, ASR)
    assert verdict.outcome == "fail"
    assert verdict.estimate is not None
    assert verdict.estimate.value == pytest.approx(13 / 20)


def test_a_sequential_audit_compares_at_any_time(file: Path, release: Summary) -> None:
    new = changed(release, lambda v: v - 0.01)
    fixed = judge(new, file).estimate
    anytime = judge(replace(new, sequential=Sequential(queries=20, stopped=Stopped.NOT_YET)), file).estimate
    assert fixed is not None
    assert anytime is not None
    assert anytime.low < fixed.low
    assert anytime.high > fixed.high


def test_without_a_file_or_a_figure_in_it_nothing_is_decided(file: Path, release: Summary, tmp_path: Path) -> None:
    for verdict in (
        judge(release, tmp_path / "none.json"),
        judge(release, file, replace(GATE, where={"ranker": "bm25"})),
    ):
        assert (verdict.outcome, verdict.held) == ("inconclusive", False)
        assert "`robustrank gate DIR --update-ratchet` writes it" in verdict.reason


def test_other_queries_candidates_or_judgments_make_the_gate_invalid(file: Path, release: Summary) -> None:
    keys = {**release.collections[0].query_keys, "q7": "other candidates"}
    moved = replace(release, collections=[replace(c, query_keys=keys) for c in release.collections])
    verdict = judge(moved, file)
    assert verdict.outcome == "invalid"
    assert re.search(r"1 of 20 queries .* other candidates or other judgments, for example.*'q7'", verdict.reason)
    foreign = replace(release, collections=[replace(c, query_keys={}) for c in release.collections])
    verdict = judge(foreign, file)
    assert (verdict.outcome, "0 queries in common" in verdict.reason) == ("invalid", True)


def test_an_attack_that_was_another_one_makes_the_gate_invalid(file: Path, release: Summary) -> None:
    stronger = replace(release, attacks=[replace(a, budget={"edits": 50}) for a in release.attacks])
    verdict = judge(stronger, file, ASR)
    assert (verdict.outcome, "measured differently in this file" in verdict.reason) == ("invalid", True)


def test_more_queries_than_were_kept_are_no_obstacle(file: Path, release: Summary) -> None:
    keys = {**release.collections[0].query_keys, "q99": "new"}
    more = replace(release, collections=[replace(c, query_keys=keys) for c in release.collections])
    assert judge(more, file).outcome == "pass"


@pytest.mark.parametrize("text", ["", "[]", '{"schema": 9}', '{"schema": 1, "audit": "x", "figures": [{"a": 1}]}'])
def test_what_is_no_ratchet_file_is_refused(tmp_path: Path, release: Summary, text: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"x\.json: "):
        judge(release, path)


def test_it_only_tightens_so_that_small_losses_cannot_add_up(file: Path, release: Summary) -> None:
    old = ratchet.read(file)
    worse, better = changed(release, lambda v: v - 0.01), changed(release, lambda v: v + 0.01)
    figures = gate.named(GATE, worse)
    assert old is not None
    assert ratchet.updated(old, figures, worse).figures[0] == old.find(figures[0])
    assert ratchet.updated(old, figures, worse, force=True).figures[0].mean < old.figures[1].mean
    assert ratchet.updated(old, gate.named(GATE, better), better).figures[0].mean > old.figures[1].mean


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def audited(tmp_path: Path, release: Summary, audit_file: Callable[..., str]) -> Path:
    """The audit file of an audit that has run."""
    path = tmp_path / "mine.audit.toml"
    path.write_text(audit_file("ranks well", "no loss", top='ratchet = "my.ratchet.json"'))
    spec = config.load(path)
    where = audit.folder(spec, tmp_path / "store")
    where.mkdir(parents=True)
    state.write_spec(spec, where)
    summaries.write(release, where / "summary.json")
    return path


def test_the_command_writes_the_file_beside_the_audit_file_once_the_gates_hold(audited: Path, release: Summary) -> None:
    out = ["--out", str(audited.parent / "store")]
    assert run("gate", audited, *out).exit_code == 1  # nothing to compare with yet
    assert run("gate", audited, *out, "--update-ratchet").exit_code == 0
    assert (audited.parent / "my.ratchet.json").exists()
    assert run("gate", audited, *out).exit_code == 0
    [where] = (audited.parent / "store").iterdir()
    summaries.write(changed(release, lambda v: v / 2), where / "summary.json")
    assert run("gate", where).exit_code == 1
    refused = run("gate", where, "--update-ratchet")
    assert (refused.exit_code, "'no loss' first; --force writes" in refused.stderr) == (2, True)
    assert run("gate", where, "--update-ratchet", "--force").exit_code == 0
    assert run("gate", where).exit_code == 0


def test_verdicts_come_in_every_format_and_as_a_job_summary(
    audited: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    out = ["--out", str(audited.parent / "store")]
    assert json.loads(run("gate", audited, *out, "--format", "json").stdout)["held"] is False
    assert run("gate", audited, *out, "--format", "junit").stdout.startswith("<?xml")
    page = tmp_path / "page.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))
    result = run("gate", audited, *out, "--format", "github")
    assert result.exit_code == 1
    assert f"::notice file={audited.as_posix()},line=11,title=pass%3A ranks well::" in result.stdout
    assert "## RobustRank: 1 of 2 gates does not hold: 1 inconclusive, 1 passed" in page.read_text()


def without(summary: Summary, queries: Sequence[str]) -> Summary:
    """The same audit of a collection that some queries have left."""
    return replace(
        summary,
        collections=[
            replace(c, query_keys={q: key for q, key in c.query_keys.items() if q not in queries})
            for c in summary.collections
        ],
        effectiveness=[
            replace(e, per_query={q: v for q, v in e.per_query.items() if q not in queries})
            for e in summary.effectiveness
        ],
    )


def test_queries_of_the_file_that_left_the_collection_are_counted_and_may_make_the_gate_invalid(
    file: Path, release: Summary
) -> None:
    wide = replace(GATE, worse_by=0.3)
    better = changed(release, lambda v: min(1.0, v + 0.01))
    assert judge(better, file, wide).outcome == "pass"
    one = judge(without(better, QUERIES[:1]), file, replace(GATE, worse_by=0.5))
    assert one.outcome == "pass"
    assert "1 of 20 queries of my.ratchet.json have no value in this audit, for example 'q0'" in one.reason
    assert "the outcome is the same with all of them at either end" in one.reason
    verdict = judge(without(better, QUERIES[:9]), file, wide)
    assert verdict.outcome == "invalid"
    assert not verdict.held
    assert "9 of 20 queries of my.ratchet.json have no value in this audit, for example 'q0'" in verdict.reason
    assert judge(without(release, QUERIES[:9]), file, wide).outcome == "pass"  # the same ranker, the same values
    fewer = replace(better, effectiveness=without(better, QUERIES[:9]).effectiveness)  # still there, but no value
    assert judge(fewer, file, wide).outcome == "invalid"
    assert judge(replace(fewer, finished=None), file, wide).outcome != "invalid"  # not reached yet


def test_queries_that_the_file_does_not_have_are_counted(file: Path, release: Summary) -> None:
    held = ratchet.read(file)
    assert held is not None
    ratchet.write(replace(held, figures=[replace(h, per_query=h.per_query[:15]) for h in held.figures]), file)
    verdict = judge(changed(release, lambda v: min(1.0, v + 0.01)), file, replace(GATE, worse_by=0.5))
    assert verdict.outcome == "pass"
    assert "5 queries of this audit are not in my.ratchet.json and are not compared" in verdict.reason


def test_a_file_is_not_tightened_by_leaving_queries_out(file: Path, release: Summary) -> None:
    held = ratchet.read(file)
    [figure] = gate.named(GATE, release)
    hard = sorted(figure.per_query, key=lambda q: figure.per_query[q])[:4]
    fewer = without(changed(release, lambda v: v), hard)
    [left] = gate.named(GATE, fewer)
    with pytest.raises(ConfigError, match=r"has no values of 4 of the 20 queries that the ratchet file has.*--force"):
        ratchet.updated(held, [left], fewer)
    assert len(ratchet.updated(held, [left], fewer, force=True).figures[0].per_query) == 16
