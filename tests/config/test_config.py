"""The audit file: what is read, and what is refused with which words."""

from __future__ import annotations

from pathlib import Path

import pytest

from robustrank.auditing import run as audit
from robustrank.config import audit_file
from robustrank.config.specs import AuditSpec
from robustrank.core.errors import ConfigError
from robustrank.core.plugin_spec import Plugin
from robustrank.core.types import Budget

SMALLEST = """
name = "small"
[[collection]]
use = "scifact"
[[ranker]]
use = "bm25"
"""


def test_the_smallest_file_is_a_name_a_collection_and_a_ranker() -> None:
    spec = audit_file.parse(SMALLEST)
    assert (spec.home.name, spec.rankers[0].name) == ("scifact", "bm25")
    assert spec.home.first_stage == Plugin(use="bm25")
    assert spec.source == SMALLEST


def test_keys_that_are_not_the_audits_own_are_the_plugins_parameters() -> None:
    spec = audit_file.parse(
        SMALLEST
        + """
[[attack]]
name = "mine"
use = "prada"
words = 7
budget = { edits = 3, similarity = 0.9 }
rankers = ["bm25"]
"""
    )
    [attack] = spec.attacks
    assert attack.plugin == Plugin(use="prada", params={"words": 7})
    assert attack.budget == Budget(edits=3, similarity=0.9)
    assert (attack.name, attack.rankers) == ("mine", ("bm25",))
    assert str(attack.plugin) == "prada(words=7)"


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ("sede = 1", r"the top level: unknown key 'sede'; did you mean 'seed'"),
        ("seed = 'x'", r"seed must be a whole number, not 'x'"),
        ("seed = true", r"seed must be a whole number, not True"),
        ("[cases]\nquerys = 3", r"\[cases\]: unknown key 'querys'; did you mean 'queries'"),
        ("[cases]\nstrata = ['20-11']", r"'20-11' is not a rank range"),
        ("[[attack]]\nbudget = {}", r"\[\[attack\]\] 1 needs 'use'"),
        (
            "[[attack]]\nuse = 'prada'\nbudget = { edit = 1 }",
            r"\[attack.budget\]: unknown key 'edit'; did you mean 'edits'",
        ),
        ("[[attack]]\nuse = 'prada'\nrankers = ['bm52']", r"ranker 'bm52' is not defined; did you mean 'bm25'"),
        ("[[defense]]\nuse = 'x'\nrankers = ['y']", r"ranker 'y' is not defined"),
        ("[[defense]]\nuse = 'x'\ncollections = ['y']", r"collection 'y' is not defined"),
        ("[[ranker]]\nuse = 'bm25'", r"two \[\[ranker\]\] tables are named 'bm25'"),
        ("[[gate]]\nname = 'g'\nmeasure = 'nDCG@10'", r"gate 'g' needs either `max`, `min` or `worse_by`"),
        (
            "[[gate]]\nname = 'g'\nmeasure = 'nDCG@10'\nmax = 1\nmin = 0",
            r"gate 'g' needs either `max`, `min` or `worse_by`",
        ),
        ("[[gate]]\nname = 'g'\nmeasure = 'nDCG@10'\nmax = 1\nbound = 'low'", r"bound must be 'interval' or 'value'"),
        ("[[gate]]\nmeasure = 'nDCG@10'\nmax = 1", r"\[\[gate\]\] 1 needs 'name'"),
        ("[[gate]]\nname = 'g'\nmeasure = 'nDCG@10'\nworse_by = 0.1", r"worse_by needs a file at the top: ratchet"),
        ("[[gate]]\nname = 'g'\nmeasure = 'nDCG@10'\nworse_by = -0.1", r"worse_by must not be negative"),
        ("[sequential]\nbatch = 5", r"there is no \[\[gate\]\]"),
        ("[sequential]\nbatch = 0\n[[gate]]\nname = 'g'\nmeasure = 'nDCG@10'\nmax = 1", r"at least 1, not 0"),
        ("[[ranker]]\nname = 'x'\nuse = 'bm25'\nclaimed = { 'nDCG@10' = 'high' }", r"nDCG@10 must be a number"),
        ("= 3", r"not valid TOML"),
        ("measures = 'nDCG@10'", r"measures must be a list, not 'nDCG@10'"),
        ("measures = ['nDCG@10', 3]", r"measures\[1\] must be text, not 3"),
        ("cases = 3", r"\[cases\] must be a table, not 3"),
        ("attack = 'paste'", r"attack must be a list, not 'paste'"),
        ("attack = ['paste']", r"\[\[attack\]\] 1 must be a table, not 'paste'"),
        ("source = 'x'", r"the top level: unknown key 'source'"),
        ("[cases]\nstrata = [11]", r"\[cases\]: strata\[0\] must be text, not 11"),
        ("[cases]\nqueries = 0", r"\[cases\]: queries must be a whole number of at least 1, not 0"),
        ("[certify]\nradius = [1, 'two']", r"\[certify\]: radius\[1\] must be a number, not 'two'"),
        ("[certify]\nk = [0]", r"\[certify\]: k\[0\] must be a whole number of at least 1, not 0"),
        ("[pooling]\nruns = ['r']\ngroups = { a = 'x' }", r"\[pooling\]: groups: a must be a list, not 'x'"),
        ("[pooling]\nruns = ['r']\ngroups = { a = [1] }", r"\[pooling\]: groups: a\[0\] must be text, not 1"),
        ("[pooling]\ndepth = 3", r"\[pooling\] needs 'runs'"),
        (
            "[[attack]]\nuse = 'prada'\n[[attack]]\nuse = 'prada'\nname = 'paste'\nbudget = { edits = 'five' }",
            r"\[\[attack\]\] 2 'paste': \[attack.budget\]: edits must be a whole number, not 'five'",
        ),
        (
            "[[attack]]\nuse = 'prada'\nrankers = 'bm25'",
            r"\[\[attack\]\] 1 'prada': rankers must be a list, not 'bm25'",
        ),
        ("[[attack]]\nuse = 'prada'\nbudget = { edits = -1 }", r"'prada': budget: edits must be at least 0, not -1"),
        ("[[attack]]\nuse = 3", r"\[\[attack\]\] 1: use must be text, not 3"),
        (
            "[[collection]]\nuse = 'selqa'\nfirst_stage = 'bm25'",
            r"\[collection.first_stage\] must be a table, not 'bm25'",
        ),
        ("[[gate]]\nname = 'g'\nmeasure = 'm'\nmax = 1\nwhere = 'net'", r"\[\[gate\]\] 1 'g': where must be a table"),
    ],
)
def test_a_mistake_is_named_with_its_fix(extra: str, message: str) -> None:
    text = SMALLEST + extra if extra.startswith("[") else extra + SMALLEST
    with pytest.raises(ConfigError, match=message):
        audit_file.parse(text, where="my.toml")
    with pytest.raises(ConfigError, match=r"^my\.toml: "):
        audit_file.parse(text, where="my.toml")


def test_a_radius_is_a_whole_number_of_words_or_a_share_of_them() -> None:
    assert audit_file.parse(f"{SMALLEST}\n[certify]\nradius = [0, 0.05, 2, 3.0]").certify.radius == (0, 0.05, 2, 3.0)
    for wrong in ("-1", "-0.1", "1.5", "true", "'5 %'", "nan", "inf"):
        with pytest.raises(ConfigError, match="radius"):
            audit_file.parse(f"{SMALLEST}\n[certify]\nradius = [{wrong}]")


def test_a_baseline_must_be_a_ranker() -> None:
    with pytest.raises(ConfigError, match="baseline 'x' is not defined"):
        audit_file.parse("baseline = 'x'\n" + SMALLEST)


@pytest.mark.parametrize("missing", ["collection", "ranker"])
def test_collections_and_rankers_cannot_be_left_out(missing: str) -> None:
    with pytest.raises(ConfigError, match=r"at least one \[\[collection\]\] and one \[\[ranker\]\]"):
        audit_file.parse("name = 'x'\n" + SMALLEST.partition("\n[[ranker]]")[0].replace("name = \"small\"", "")
                     if missing == "ranker" else "name = 'x'\n[[ranker]]\nuse = 'bm25'")  # fmt: skip


@pytest.mark.parametrize(
    ("table", "paths"),
    [
        (
            "path = 'folder'\nrun = 'bm25'\nqrels = 'all.tsv'",
            {"path": "HERE/folder", "run": "bm25", "qrels": "all.tsv"},
        ),
        ("topics = 't.tsv'\nrun = 'r.trec'", {"topics": "HERE/t.tsv", "run": "HERE/r.trec"}),
        ("model = './m'\nother = 'm'", {"model": "HERE/m", "other": "m"}),
        ("path = '/else/where'", {"path": "/else/where"}),
    ],
)
def test_relative_paths_start_at_the_audit_file(tmp_path: Path, table: str, paths: dict[str, str]) -> None:
    path = tmp_path / "a.toml"
    path.write_text(f"name = 'x'\n[[collection]]\nuse = 'any'\n{table}\n[[ranker]]\nuse = 'bm25'\n")
    params = audit_file.load(path).home.plugin.params
    assert params == {key: value.replace("HERE", str(tmp_path)) for key, value in paths.items()}


def test_paths_of_plugins_within_plugins_start_at_the_audit_file_too(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    defense = "[[defense]]\nuse = 'retrained'\nranker = { use = 'cross_encoder', model = './m', device = 'cpu' }\n"
    chain = "[[defense]]\nuse = 'chain'\ndefenses = [{ use = 'trim', boilerplate = 'b.txt' }, { use = 'normalise' }]\n"
    path.write_text(f"name = 'x'\n[[collection]]\nuse = 'any'\n[[ranker]]\nuse = 'bm25'\n{defense}{chain}")
    trained, chained = (each.plugin.params for each in audit_file.load(path).defenses)
    assert trained == {"ranker": {"use": "cross_encoder", "model": f"{tmp_path}/m", "device": "cpu"}}
    assert chained == {"defenses": [{"use": "trim", "boilerplate": f"{tmp_path}/b.txt"}, {"use": "normalise"}]}


def test_a_missing_file_is_an_error_that_says_what_writes_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="`robustrank init` writes one"):
        audit_file.load(tmp_path / "none.toml")


@pytest.mark.parametrize("name", audit_file.BUNDLED)
def test_bundled_files_are_read_by_name(name: str) -> None:
    assert audit_file.load(name).name == name


def test_other_gates_leave_the_records_where_they_are_and_other_attacks_do_not() -> None:
    gate = "[[gate]]\nname = 'g'\nmeasure = 'nDCG@10'\nmin = 0.1\n"

    def where(text: str) -> Path:
        return audit.folder(audit_file.parse(text), Path("root"))

    assert where(SMALLEST + gate) == where(SMALLEST)
    assert where(SMALLEST + "[[attack]]\nuse = 'prada'\n") != where(SMALLEST)
    assert where(SMALLEST).name.startswith("small-")


def test_a_spec_is_immutable() -> None:
    spec: AuditSpec = audit_file.parse(SMALLEST)
    with pytest.raises(AttributeError):
        spec.seed = 3  # type: ignore[misc]


def test_what_judges_shows_or_stops_does_not_make_another_audit() -> None:
    more = """
ratchet = "x.json"
[sequential]
batch = 5
[[gate]]
name = "g"
measure = "nDCG@10"
worse_by = 0.02
"""
    claims = SMALLEST.replace('use = "bm25"', 'use = "bm25"\nclaimed = { "nDCG@10" = 0.7 }')
    same = [SMALLEST, more.partition("[seq")[0] + SMALLEST + "[seq" + more.partition("[seq")[2], claims]
    assert len({audit.folder(audit_file.parse(text), Path("x")) for text in same}) == 1


DEFENDED = """
[[defense]]
name = "{defense}"
use = "randomized_smoothing"
rankers = ["{ranker}"]
attacked = {attacked}
"""


def test_a_defended_ranker_is_found_by_its_name_even_where_names_hold_a_plus() -> None:
    text = SMALLEST.replace('use = "bm25"', 'use = "bm25"\nname = "a + b"\nattacked = false')
    spec = audit_file.parse(text + DEFENDED.format(defense="c + d", ranker="a + b", attacked="true"))
    assert [victim.name for victim in spec.victims] == ["a + b", "c + d + a + b"]
    victim = spec.victim("c + d + a + b")
    assert victim.defense is not None
    assert (victim.defense.name, victim.ranker.name, victim.attacked) == ("c + d", "a + b", True)
    assert (spec.victim("a + b").defense, spec.victim("a + b").attacked) == (None, False)


def test_two_rankers_under_test_of_one_name_are_refused() -> None:
    rankers = (
        SMALLEST.replace('use = "bm25"', 'use = "bm25"\nname = "b"') + '[[ranker]]\nuse = "bm25"\nname = "a + b"\n'
    )
    with pytest.raises(ConfigError, match=r"two rankers under test are named 'a \+ b'"):
        audit_file.parse(rankers + DEFENDED.format(defense="a", ranker="b", attacked="false"))


def test_a_suite_leaves_similarity_as_the_file_has_it() -> None:
    text = f'suite = "standard"\n{SMALLEST}[cases]\nsimilarity = false\n'
    assert not audit_file.parse(text).cases.similarity
    assert audit_file.parse(f'suite = "standard"\n{SMALLEST}').cases.similarity


def test_a_budget_cannot_limit_a_similarity_that_is_not_measured() -> None:
    attack = '[[attack]]\nname = "mine"\nuse = "prada"\nbudget = { edits = 3, similarity = 0.9 }\n'
    with pytest.raises(ConfigError, match=r"'mine': its budget limits similarity, which \[cases\] similarity = false"):
        audit_file.parse(f"{SMALLEST}{attack}[cases]\nsimilarity = false\n")
