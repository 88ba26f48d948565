"""Every command of the pages runs as written, or is listed with the reason why not; all of them exist."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.resources import as_file, files
from pathlib import Path
from typing import NamedTuple

import click
import pytest

from robustrank.cli.main import main
from robustrank.core.plugin_spec import Plugin
from robustrank.plugins import registry

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("reports/*/README.md")]
NOT_RUN = {
    "README.md: pip install '.[offline]' && robustrank audit": "takes 25 minutes; its report is under reports/default",
    "README.md: pip install '.[test]' && pytest -n auto": "is what CI does: .ci/run reads it there",
    "README.md: robustrank init --model": "the same two commands are those of docs/how-to/own-model.md, which are run",
    "CONTRIBUTING.md: python3.11 -m venv .venv": "installs; .ci/run does the same in a fresh environment",
    "CONTRIBUTING.md: pytest tests/stats": "is what CI does",
    "docs/first-gate.md: python3 -m venv .venv": "installs; test_packaging.py installs the wheel, .ci/run the extras",
    "docs/topics.md: pip install '.[topics]'": "needs the full test collections, which do not come with the project",
    "docs/writing-a-plugin.md: robustrank list attack": "needs the sample package; test_sample_plugin.py installs it",
    "docs/how-to/pyterrier.md: robustrank audit pipeline.audit.toml": "python-terrier is not in the extra `test`",
    "reports/five-tasks/README.md: robustrank audit reports/five-tasks/audit.toml": "needs the full collections",
    "reports/topics/README.md: robustrank topics docs/examples/topics.topic.toml": "needs the full test collections",
}  # fmt: skip
"""Page and first line of a block to the reason why it is not run here."""

GATED = """
name = "gated"
measures = ["nDCG@10"]
ratchet = "ranker.ratchet.json"
[[collection]]
use = "beir"
path = "data/mine"
[[ranker]]
name = "mine"
use = "bm25"
[[gate]]
name = "it ranks"
measure = "nDCG@10"
min = 0.05
[[gate]]
name = "it ranks no worse than it did"
measure = "nDCG@10"
worse_by = 0.02
"""


class Block(NamedTuple):
    """A fenced block of a page."""

    language: str
    title: str
    text: str


def blocks(page: Path) -> Iterator[Block]:
    for language, title, text in re.findall(
        r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    ):
        yield Block(language, title, text)


def named(page: Path, block: Block) -> str | None:
    """The entry of :data:`NOT_RUN` about a block."""
    start = f"{page.relative_to(ROOT)}: {block.text.splitlines()[0]}"
    return next((entry for entry in NOT_RUN if start.startswith(entry)), None)


def to_run(page: Path) -> list[Block]:
    """Files that the page writes, cells of Python, and commands, in order."""
    return [
        block
        for block in blocks(page)
        if block.title or (block.language == "sh" and not named(page, block)) or "notebook" in page.name
    ]


RUN = [page for page in PAGES if any(b.language == "sh" and not named(page, b) for b in blocks(page))]
RUN += [ROOT / "docs" / "how-to" / "notebook.md"]


def test_every_entry_is_about_a_block_of_a_page() -> None:
    there = [named(page, block) for page in PAGES for block in blocks(page) if block.language == "sh"]
    assert sorted(entry for entry in there if entry) == sorted(NOT_RUN)


def test_all_guides_are_run_but_those_with_a_reason() -> None:
    guides = {page.name for page in ROOT.glob("docs/how-to/*.md")}
    assert guides - {page.name for page in RUN} == {"pyterrier.md"}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the pages take for granted: a model, documents with queries and judgments, an audit file with a gate."""
    folder = tmp_path_factory.mktemp("prepared")
    with as_file(files("robustrank").joinpath("data", "models", "robustrank-tiny")) as tiny:
        shutil.copytree(tiny, folder / "models" / "mine")
    whole = registry.build("collection", Plugin(use="scifact")).load()
    queries = [q for q in whole.queries if whole.qrels.get(q.query_id)][:6]
    docs = {doc_id for q in queries for doc_id in whole.qrels[q.query_id]} | set(list(whole.documents)[:40])
    data = folder / "data" / "mine"
    (data / "qrels").mkdir(parents=True)
    texts = [{"_id": d, "title": "", "text": " ".join(whole.documents[d].text.split()[:30])} for d in sorted(docs)]
    (data / "corpus.jsonl").write_text("".join(json.dumps(each) + "\n" for each in texts))
    lines = [{"_id": q.query_id, "text": q.text} for q in queries]
    (data / "queries.jsonl").write_text("".join(json.dumps(each) + "\n" for each in lines))
    rows = [f"{q.query_id}\t{d}\t{grade}\n" for q in queries for d, grade in whole.qrels[q.query_id].items()]
    (data / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(rows))
    return folder


@pytest.mark.parametrize("page", RUN, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_commands_of_a_page_run_as_written(tmp_path: Path, prepared: Path, page: Path) -> None:
    folder = tmp_path / "here"
    shutil.copytree(prepared, folder)
    if page.name == "gates.md":
        (folder / "ranker.audit.toml").write_text(GATED)
    scripts = tmp_path / "bin"  # those of this interpreter, wherever they are installed
    scripts.mkdir()
    for name, module in {"pytest": "-m pytest", "robustrank": "-m robustrank", "python": ""}.items():
        (scripts / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {module} "$@"\n')
        (scripts / name).chmod(0o755)
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("PYTEST")},
        "PATH": f"{scripts}:{os.environ['PATH']}",
        "HF_HUB_OFFLINE": "1",
    }
    cells = ""
    for block in to_run(page):
        if block.title:
            (folder / block.title).write_text(block.text)
            continue
        cells += block.text if block.language == "python" else ""
        command = ["bash", "-c", block.text] if block.language == "sh" else [sys.executable, "-c", cells]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        # 1 is what an audit ends with whose gates do not hold: of a small model on ten queries nobody expects that.
        assert done.returncode in ((0, 1) if "robustrank" in block.text else (0,)), (block, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr, (block, done.stderr)


def commands() -> list[tuple[str, str]]:
    """Every line of a block, and every text in back quotes, that calls robustrank; with its page."""
    found: dict[tuple[str, str], None] = {}
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        lines = [
            line for block in blocks(page) if block.language in ("sh", "console") for line in block.text.splitlines()
        ]
        lines += re.findall(r"`(robustrank [a-z][^`]*)`", text)
        for line in lines:
            for part in re.split(r"&&|\|\||;|\|", line.partition(" #")[0].removeprefix("$ ")):
                if part.strip().startswith("robustrank "):
                    found[str(page.relative_to(ROOT)), part.strip()] = None
    return list(found)


PLACEHOLDERS = {
    "N": "1",
    "M": "1",
    "SECONDS": "1",
    "KIND": "attack",
    "DIR": ".",
    "DIR...": ".",
    "SUMMARY": str(ROOT / "README.md"),
}
"""Words of the pages that stand for a value which an option would refuse."""


@pytest.mark.parametrize(("page", "line"), commands(), ids=str)
def test_a_command_that_is_shown_exists_with_its_options(page: str, line: str) -> None:
    words = [PLACEHOLDERS.get(word, word) for word in shlex.split(re.sub(r"[12]?>.*", "", line))[1:]]
    words = [word.strip("[]") for word in words if word != "..."]
    while words and words[0] in ("-v", "--help", "-h"):
        words.pop(0)
    if not words or words[0] == "COMMAND":
        return
    command = main.commands.get(words[0])
    assert command is not None, f"{page}: robustrank has no command {words[0]!r}"
    try:
        command.make_context(words[0], words[1:], resilient_parsing=False).close()
    except click.MissingParameter:
        pass  # the name of a command in a sentence
    except click.exceptions.Exit:
        pass
