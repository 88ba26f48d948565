"""A file of variants: what is trained, that it resumes, and the audit of all of them against their parent."""

from __future__ import annotations

import json
import shutil
import tomllib
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from safetensors.torch import load_file, save_file

from robustrank.cli.main import main
from robustrank.config.writing import as_toml
from robustrank.core.errors import ConfigError
from robustrank.core.progress import Silent
from robustrank.rankers.cross_encoder import BUNDLED_LENGTH
from robustrank.training import distill, variants

AUDIT = """
name = "parent"
measures = ["nDCG@10"]
[[collection]]
name = "home"
use = "beir"
path = "home"
split = "train"
depth = 20
[[ranker]]
name = "tiny"
use = "cross_encoder"
model = "robustrank-tiny"
device = "cpu"
max_length = 24
[cases]
queries = 8
common = true
[[attack]]
name = "query at the start"
use = "query_injection"
"""
FILE = """
name = "variants"
audit = "parent.audit.toml"
parent = "tiny"
training = "training.toml"
seeds = [1, 2]
[[variant]]
name = "full"
[[variant]]
name = "LoRA"
seeds = [1]
[variant.stage.adapter]
use = "peft"
options = { r = 2 }
[[variant]]
name = "int8"
learns = false
[variant.stage.compress]
use = "grid"
"""


@pytest.fixture
def file(training: Path) -> Path:
    """A file of variants beside a training file, an audit file and a collection."""
    (training.parent / "parent.audit.toml").write_text(AUDIT)
    path = training.parent / "all.variants.toml"
    path.write_text(FILE)
    return path


def test_every_seed_of_a_variant_that_learns_is_a_model_and_one_of_one_that_does_not(file: Path) -> None:
    planned = variants.plan(variants.load(file), file.parent, file.parent / "models")
    assert [each.ranker for each in planned] == ["full, seed 1", "full, seed 2", "LoRA", "int8"]
    assert [each.variant for each in planned] == ["full", "full", "LoRA", "int8"]
    by_name: dict[str, Any] = {each.ranker: each.tables for each in planned}
    assert [by_name[name]["seed"] for name in by_name] == [1, 2, 1, 1]
    assert set(by_name["int8"]["stage"][0]) == {"name", "compress"}
    assert by_name["LoRA"]["stage"][0]["adapter"] == {"use": "peft", "options": {"r": 2}}
    assert by_name["full, seed 1"]["stage"][0]["source"][0]["path"] == str((file.parent / "home").resolve())
    assert len({each.model for each in planned}) == 4


def test_a_variants_training_file_finds_its_data_from_any_folder_and_without_training_needs_none(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = file.parent / "training.toml"
    generator = 'generator = { use = "transformers", examples = "few.jsonl" }'
    lists = '[[stage.lists]]\nuse = "documents"\npath = "made.jsonl"\n[stage.curriculum]\nuse = "easy_first"\n'
    training.write_text('exclude = ["held"]\n' + training.read_text().replace('split = "train"', generator) + lists)
    monkeypatch.chdir(file.parent.parent)
    full, *_, int8 = variants.plan(variants.load(file), file.parent, file.parent / "models")
    assert full.tables is not None
    assert int8.tables is not None
    (stage,) = full.tables["stage"]
    (source,), (maker,) = stage["source"], stage["lists"]
    paths = [source["path"], source["generator"]["examples"], maker["path"], *full.tables["exclude"]]
    assert paths == [str(file.parent / name) for name in ("home", "few.jsonl", "made.jsonl", "held")]
    assert int8.tables["stage"] == [{"name": "only", "compress": {"use": "grid"}}]


def test_variants_are_trained_once_audited_against_their_parent_and_held_to_a_gate(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    audit = file.parent / "parent.audit.toml"
    audit.write_text(f'{AUDIT}\n[[gate]]\nname = "int8"\nmeasure = "variant cost"\nmax = 0.95\n')
    models, out = str(tmp_path / "models"), str(tmp_path / "out")
    arguments = ["variants", str(file), "--models", models, "--out", out, "--executor", "serial"]
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    for name in ("full", "LoRA", "int8"):
        assert f"\n{name}: It puts another document first for" in result.output
    (summary_file,) = (tmp_path / "out").glob("*/summary.json")
    summary = json.loads(summary_file.read_text())
    rows = {row["variant"]: row for row in summary["results"]["variants"]["rows"]}
    assert set(rows) == {"full", "LoRA", "int8"}
    assert rows["full"]["rankers"] == ["full, seed 1", "full, seed 2"]
    assert rows["int8"]["trained"] == 0
    assert 0 < rows["LoRA"]["trained"] < rows["full"]["trained"]
    assert set(rows["int8"]["endpoints"]) == {"nDCG@10", "lost targets", "robust nDCG@10"}
    page = summary_file.with_name("report.html").read_text()
    assert '<section id="variants" aria-labelledby' in page, "open, not folded"
    assert "int8" in page
    ran = []
    monkeypatch.setattr(distill, "run", lambda *rest: ran.append(rest))
    again = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert again.exit_code == 0
    assert not ran, "nothing is trained twice"


def test_an_adapter_that_learned_nothing_and_doubled_scores_differ_from_the_parent_in_nothing(
    file: Path, tmp_path: Path
) -> None:
    with as_file(files("robustrank").joinpath("data", "models", "robustrank-tiny")) as tiny:
        shutil.copytree(tiny, tmp_path / "doubled")
    weights = tmp_path / "doubled" / "model.safetensors"
    tensors = load_file(weights)
    head = {name: 2 * each if name.startswith("classifier.") else each for name, each in tensors.items()}
    save_file(head, weights, metadata={"format": "pt"})
    stage = tomllib.loads((file.parent / "training.toml").read_text())["stage"][0]
    rest = as_toml({"variant.stage.schedule": {**stage["schedule"], "learning_rate": 0.0}})
    lora = '[[variant]]\nname = "LoRA"\n[variant.stage.adapter]\nuse = "peft"\n'
    doubled = f'[[variant]]\nname = "doubled"\nmodel = "{tmp_path / "doubled"}"\n'
    file.write_text(f"{FILE[: FILE.index('[[variant]]')]}{lora}{rest}{doubled}".replace("[1, 2]", "[1]"))
    arguments = ["variants", str(file), "--models", str(tmp_path / "models"), "--out", str(tmp_path / "out")]
    assert CliRunner().invoke(main, [*arguments, "--executor", "serial"], catch_exceptions=False).exit_code == 0
    (summary_file,) = (tmp_path / "out").glob("*/summary.json")
    rows = json.loads(summary_file.read_text())["results"]["variants"]["rows"]
    assert [row["variant"] for row in rows] == ["LoRA", "doubled"]
    for row in rows:
        assert set(row["endpoints"]) == {"nDCG@10", "lost targets", "robust nDCG@10"}
        for each in row["endpoints"].values():
            assert set(each["difference"]["per_query"].values()) == {0.0}
            assert each["difference"]["p_holm"] == 1.0
        assert (row["order"]["tau"][0], row["order"]["other_first"][0]) == (1.0, 0.0)


def test_a_variant_whose_tables_changed_is_trained_anew(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models = file.parent / "models"
    only = FILE[: FILE.index('[[variant]]\nname = "full"')] + FILE[FILE.index('[[variant]]\nname = "int8"') :]
    file.write_text(only)
    variants.train(variants.plan(variants.load(file), file.parent, models), models, Silent())
    file.write_text(only.replace('use = "grid"', 'use = "grid"\nbits = 4'))
    ran = []
    monkeypatch.setattr(distill, "run", lambda *rest: ran.append(rest))
    variants.train(variants.plan(variants.load(file), file.parent, models), models, Silent())
    assert len(ran) == 1


def test_a_copy_that_is_only_compressed_needs_no_training_file_and_is_the_one_that_a_file_makes(file: Path) -> None:
    only = FILE[: FILE.index("[[variant]]")] + FILE[FILE.index('[[variant]]\nname = "int8"') :]
    made = {}
    for name, text in {"with": only, "without": only.replace('training = "training.toml"\n', "")}.items():
        file.write_text(text)
        (planned,) = variants.plan(variants.load(file), file.parent, file.parent / name)
        variants.train([planned], file.parent / name, Silent())
        made[name] = load_file(planned.model / "model.safetensors")
        if name == "without":
            assert planned.tables is not None
            assert planned.tables["student"] == {"model": "robustrank-tiny", "max_length": 24}
            assert planned.tables["stage"] == [{"name": "compress", "compress": {"use": "grid"}}]
    assert set(made["with"]) == set(made["without"])
    assert all((made["with"][name] == each).all() for name, each in made["without"].items())


def test_the_parent_of_a_compressed_copy_is_found_beside_the_audit_file(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    audit = file.parent / "parent.audit.toml"
    audit.write_text(AUDIT.replace('"robustrank-tiny"', '"./mine"'))
    only = FILE[: FILE.index("[[variant]]")] + FILE[FILE.index('[[variant]]\nname = "int8"') :]
    file.write_text(only.replace('training = "training.toml"\n', ""))
    monkeypatch.chdir(tmp_path)
    (planned,) = variants.plan(variants.load(file), file.parent, tmp_path / "models")
    assert planned.tables is not None
    assert planned.tables["student"]["model"] == str((file.parent / "mine").resolve())


def test_what_an_audit_does_to_the_parent_alone_is_done_to_its_variants(file: Path) -> None:
    audit = file.parent / "parent.audit.toml"
    other = '[[ranker]]\nname = "other"\nuse = "bm25"\n'
    audit.write_text(
        AUDIT.replace("[cases]", f"{other}[cases]").replace(
            '"query_injection"', '"query_injection"\nrankers = ["tiny"]'
        )
        + '[[attack]]\nname = "b"\nuse = "benign_insertion"\nrankers = ["smoothed + tiny", "other"]\n'
        + '[[attack]]\nname = "everywhere"\nuse = "benign_insertion"\n'
        + '[[variation]]\nuse = "query_operations"\nrankers = ["tiny"]\n'
        + '[[defense]]\nname = "smoothed"\nuse = "randomized_smoothing"\nrankers = ["tiny", "other"]\nattacked = true\n'
    )
    spec = variants.load(file)
    planned = variants.plan(spec, file.parent, file.parent / "models")
    found = variants.audit_spec(spec, file.parent, planned)
    names = [each.ranker for each in planned]
    assert found.defenses[0].rankers == ("tiny", *names, "other")
    assert [each.rankers for each in found.attacks] == [
        ("tiny", *names),
        ("smoothed + tiny", *(f"smoothed + {name}" for name in names), "other"),
        (),
    ]
    assert found.variations[0].rankers == ("tiny", *names)


@pytest.mark.parametrize("given", ["", "max_length = 64"])
def test_copies_of_a_bundled_parent_read_as_many_word_pieces_as_it_does(file: Path, given: str) -> None:
    (file.parent / "parent.audit.toml").write_text(AUDIT.replace("max_length = 24", given))
    spec = variants.load(file)
    planned = variants.plan(spec, file.parent, file.parent / "models")
    parent, *copies = variants.audit_spec(spec, file.parent, planned).rankers
    read = parent.plugin.params.get("max_length", BUNDLED_LENGTH)
    assert [each.plugin.params["max_length"] for each in copies] == [read] * len(planned)


def test_attackers_of_the_corpus_of_the_parent_are_those_of_its_variants(file: Path) -> None:
    corpus = '[corpus]\nqueries = 4\n[[corpus.attack]]\nname = "c"\nuse = "stuffing"\nrankers = ["tiny"]\n'
    corpus += "budget = { plants = 1 }\n"
    (file.parent / "parent.audit.toml").write_text(AUDIT + corpus)
    spec = variants.load(file)
    planned = variants.plan(spec, file.parent, file.parent / "models")
    found = variants.audit_spec(spec, file.parent, planned).corpus
    assert found is not None
    assert found.attacks[0].rankers == ("tiny", *(each.ranker for each in planned))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [("[[attack]]", "[attack]", "attack"), ('use = "query_injection"', 'use = "x"\nrankers = "tiny"', "rankers")],
)
def test_an_audit_that_is_written_wrongly_is_refused_as_any_audit_is(
    file: Path, old: str, new: str, message: str
) -> None:
    (file.parent / "parent.audit.toml").write_text(AUDIT.replace(old, new))
    spec = variants.load(file)
    with pytest.raises(ConfigError, match=message):
        variants.audit_spec(spec, file.parent, variants.plan(spec, file.parent, file.parent / "models"))


def test_a_copy_without_a_training_file_needs_a_cross_encoder_as_parent(file: Path) -> None:
    (file.parent / "parent.audit.toml").write_text(AUDIT.replace("cross_encoder", "bi_encoder"))
    only = FILE[: FILE.index("[[variant]]")] + FILE[FILE.index('[[variant]]\nname = "int8"') :]
    file.write_text(only.replace('training = "training.toml"\n', ""))
    with pytest.raises(ConfigError, match="not 'bi_encoder'"):
        variants.plan(variants.load(file), file.parent, file.parent / "models")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "LoRA"', 'name = "full"', "a name of its own"),
        ("learns = false\n[variant.stage.compress]", "learns = false\n[variant.stage.adapter]", "nothing to do but"),
        ('training = "training.toml"\n', "", "needs a training file, or a model"),
        ('name = "LoRA"\n', 'name = "LoRA"\nmodel = "x"\n', "leave out the other keys"),
        ('name = "LoRA"\n', 'name = "LoRA"\nstages = 1\n', "unknown key 'stages'; did you mean 'stage'"),
    ],
)
def test_what_cannot_be_a_variant_is_refused(file: Path, old: str, new: str, message: str) -> None:
    file.write_text(FILE.replace(old, new))
    with pytest.raises(ConfigError, match=message):
        variants.load(file)


def test_a_parent_that_names_no_model_is_refused(file: Path) -> None:
    audit = file.parent / "parent.audit.toml"
    audit.write_text(
        AUDIT.replace(
            'use = "cross_encoder"\nmodel = "robustrank-tiny"\ndevice = "cpu"\nmax_length = 24', 'use = "bm25"'
        )
    )
    spec = variants.load(file)
    with pytest.raises(ConfigError, match="names no model"):
        variants.audit_spec(spec, file.parent, variants.plan(spec, file.parent, file.parent / "models"))
