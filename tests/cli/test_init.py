"""``robustrank init --model --data`` writes audit files that run."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import ir_datasets
import pytest
from click.testing import CliRunner

import robustrank
from robustrank.api.tables import collection, ranker
from robustrank.auditing import pilot
from robustrank.cli.main import main
from robustrank.config import audit_file
from robustrank.core.errors import ConfigError
from robustrank.core.plugin_spec import Plugin
from robustrank.plugins import registry
from robustrank.work import executors
from robustrank.work.workbench import Workbench

DOCUMENTS = [{"id": f"d{n}", "text": f"cats eat {'mice ' * n}and sleep {n}"} for n in range(8)]
QUERIES = [{"id": f"q{n}", "text": f"cats sleep {n}"} for n in range(4)]
QRELS = [{"qid": f"q{n}", "docid": f"d{n}", "grade": 1} for n in range(4)]


def lines(rows: Sequence[Mapping[str, object]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def beir(folder: Path) -> None:
    (folder / "qrels").mkdir()
    (folder / "corpus.jsonl").write_text(lines([{"_id": d["id"], "title": "", "text": d["text"]} for d in DOCUMENTS]))
    (folder / "queries.jsonl").write_text(lines([{"_id": q["id"], "text": q["text"]} for q in QUERIES]))
    rows = "".join(f"{r['qid']}\t{r['docid']}\t1\n" for r in QRELS)
    (folder / "qrels" / "dev.tsv").write_text("query-id\tcorpus-id\tscore\n" + rows)


def csv(folder: Path) -> None:
    tables: dict[str, Sequence[Mapping[str, object]]] = {"docs": DOCUMENTS, "queries": QUERIES, "qrels": QRELS}
    for name, rows in tables.items():
        cells = [",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)]
        (folder / f"{name}.csv").write_text("\n".join(cells) + "\n")


def trec(folder: Path) -> None:
    (folder / "documents.tsv").write_text("".join(f"{d['id']}\t{d['text']}\n" for d in DOCUMENTS))
    (folder / "topics.txt").write_text("".join(f"{q['id']}\t{q['text']}\n" for q in QUERIES))
    (folder / "qrels.txt").write_text("".join(f"{r['qid']} 0 {r['docid']} 1\n" for r in QRELS))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for data, and a module with a scorer beside the audit file, which lies elsewhere."""
    monkeypatch.setattr(Workbench, "similarity", None)
    monkeypatch.setattr(executors, "DEFAULT", "serial")
    (tmp_path / "data").mkdir()
    (tmp_path / "audits").mkdir()
    (tmp_path / "audits" / "own_init.py").write_text(
        "def score(query, texts):\n"
        "    return [len({*query.split()} & {*text.split()}) + len(text) / 1e4 for text in texts]\n"
    )
    before = list(sys.path)
    yield tmp_path
    sys.path[:] = before
    sys.modules.pop("own_init", None)


@pytest.mark.parametrize("layout", [beir, csv, trec])
def test_the_file_for_ones_own_data_and_scorer_runs_and_its_gates_are_decided(
    folder: Path, layout: Callable[[Path], None]
) -> None:
    layout(folder / "data")
    file = folder / "audits" / "mine.audit.toml"
    done = CliRunner().invoke(main, ["init", str(file), "--model", "own_init:score", "--data", str(folder / "data")])
    assert done.exit_code == 0, done.output
    assert f"robustrank audit {file}" in done.output.splitlines()[-1]
    assert "# PROPOSED on " in file.read_text()
    spec = audit_file.load(file)
    assert spec.gates
    done = CliRunner().invoke(main, ["audit", str(file), "--out", str(folder / "out"), "--executor", "serial"])
    assert done.exit_code == 0, done.output
    assert outcomes(folder / "out") == ["pass"] * len(spec.gates)


def outcomes(out: Path) -> list[str]:
    [audited] = out.iterdir()
    return [str(verdict.outcome) for verdict in robustrank.load(audited).gates]


def test_a_pilot_of_a_part_of_the_queries_proposes_gates_that_more_of_them_decide(folder: Path) -> None:
    file = folder / "audits" / "mine.audit.toml"
    (folder / "audits" / "own_init.py").write_text(
        "def score(query, texts):\n"
        "    words = {word for word in query.lower().strip('.').split() if len(word) > 3}\n"
        "    texts = [text.lower().replace(',', ' ').replace('.', ' ').split() for text in texts]\n"
        "    found = [[word for word in text if word in words] for text in texts]\n"
        "    return [sum(map(len, {*each})) + len(each) / (1 + len(text)) for each, text in zip(found, texts)]\n"
    )
    done = CliRunner().invoke(main, ["init", str(file), "--model", "own_init:score"])
    assert done.exit_code == 0, done.output
    spec = audit_file.load(file)
    assert (spec.home.queries, spec.cases.queries) == (2 * pilot.QUERIES, 2 * pilot.CASES)
    assert [gate.measure for gate in spec.gates] == ["nDCG@10", "ASR@10"]
    done = CliRunner().invoke(main, ["audit", str(file), "--out", str(folder / "out"), "--executor", "serial"])
    assert set(outcomes(folder / "out")) == {"pass"}, done.output


def test_attacks_for_which_a_pilot_has_no_time_are_left_out_and_get_no_limit(folder: Path) -> None:
    csv(folder / "data")
    file = folder / "audits" / "mine.toml"
    arguments = ["init", str(file), "--no-pilot", "--model", "own_init:score", "--data", str(folder / "data")]
    assert CliRunner().invoke(main, arguments).exit_code == 0
    spec = audit_file.load(file)
    result = pilot.run(spec, lambda: registry.build("executor", Plugin(use="serial")), minutes=0.0)
    assert result.left_out == ["word substitution"]
    assert "word substitution" not in {attack.attack for attack in result.summary.attacks}
    assert all(each.gate.where.get("attack") != "word substitution" for each in result.proposals)


def test_a_pilot_that_cannot_run_writes_nothing_and_says_why(folder: Path) -> None:
    csv(folder / "data")
    (folder / "audits" / "own_init.py").write_text("def score(query, texts):\n    raise OSError('no such host')\n")
    file = folder / "audits" / "mine.toml"
    arguments = ["init", str(file), "--model", "own_init:score", "--data", str(folder / "data")]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code in (2, 3)
    assert "no such host" in done.output
    assert "--no-pilot" in done.output.splitlines()[-1]
    assert not file.exists()
    assert CliRunner().invoke(main, [*arguments, "--no-pilot"]).exit_code == 0


def test_an_id_of_ir_datasets_is_data(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trec(folder / "data")
    parts = {"docs_tsv": "documents.tsv", "queries_tsv": "topics.txt", "qrels_trec": "qrels.txt"}
    made = ir_datasets.create_dataset(**{key: str(folder / "data" / name) for key, name in parts.items()})
    monkeypatch.setattr(ir_datasets, "load", lambda name: {"tiny/test": made}[name])
    file = folder / "audits" / "mine.toml"
    done = CliRunner().invoke(main, ["init", str(file), "--model", "own_init:score", "--data", "irds:tiny/test"])
    assert done.exit_code == 0, done.output
    assert audit_file.load(file).home.plugin.params == {"id": "tiny/test"}


def test_without_options_it_is_the_starter_and_with_a_model_the_bundled_data(tmp_path: Path) -> None:
    for number, options in enumerate(([], ["--model", "robustrank-tiny"])):
        file = tmp_path / f"{number}.toml"
        assert CliRunner().invoke(main, ["init", str(file), "--no-pilot", *options]).exit_code == 0
        spec = audit_file.load(file)
        assert spec.home.plugin.use == "scifact"
        assert spec.rankers[1].plugin.params["model"] == ["ms-marco-MiniLM-L-12-v2", "robustrank-tiny"][number]


@pytest.mark.parametrize(
    ("url", "form", "base"),
    [
        ("https://api.example.com/v2/rerank", "cohere", "https://api.example.com"),
        ("http://localhost:8080/rerank", "tei", "http://localhost:8080"),
        ("http://localhost:8080/v1/rerank/", "cohere_v1", "http://localhost:8080"),
        ("http://localhost:8080", "cohere_v1", "http://localhost:8080"),
    ],
)
def test_a_url_is_a_service(tmp_path: Path, url: str, form: str, base: str) -> None:
    table = ranker(url, tmp_path)
    assert table == {"use": "http", "url": base, "format": form}
    assert registry.load("ranker", table.pop("use"))(**table)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"modules.json": [], "config_sentence_transformers.json": {}}, {"use": "bi_encoder"}),
        (
            {"modules.json": [], "config_sentence_transformers.json": {"model_type": "ColBERT"}},
            {"use": "late_interaction"},
        ),
        (
            {"modules.json": [], "config_sentence_transformers.json": {"model_type": "CrossEncoder"}},
            {"use": "cross_encoder"},
        ),
        ({"config.json": {"architectures": ["BertForSequenceClassification"]}}, {"use": "cross_encoder"}),
        ({"config.json": {"architectures": ["BertForMaskedLM"]}}, {"use": "sparse_encoder"}),
        ({"config.json": {"architectures": ["BertModel"]}}, {"use": "bi_encoder", "pooling": "mean"}),
        ({"adapter_config.json": {"task_type": "SEQ_CLS"}}, {"use": "cross_encoder"}),
    ],
)
def test_a_folder_is_audited_as_what_its_files_say(
    tmp_path: Path, files: dict[str, object], expected: dict[str, str]
) -> None:
    (tmp_path / "model").mkdir()
    for name, value in files.items():
        (tmp_path / "model" / name).write_text(json.dumps(value))
    assert ranker(str(tmp_path / "model"), tmp_path / "audits") == {"model": "./../model"} | expected


def test_what_is_no_model_and_no_data_is_refused_with_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"neither config\.json nor modules\.json"):
        ranker(str(tmp_path), tmp_path)
    with pytest.raises(ConfigError, match="no such folder"):
        collection(tmp_path / "nothing", tmp_path)
    (tmp_path / "docs.csv").touch()
    with pytest.raises(ConfigError, match="topics is missing"):
        collection(tmp_path, tmp_path)
