"""Every example of docs/rankers.md runs, and one scorer has the same figures however it is reached."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from inspect import getsource, signature
from pathlib import Path

import pytest

from robustrank.auditing import run as audit
from robustrank.config import audit_file
from robustrank.core.plugin_spec import Plugin
from robustrank.plugins import registry
from robustrank.rankers.services.formats import Format, changed
from robustrank.testing.services import FakeService

PAGE = Path(__file__).parents[2] / "docs" / "rankers.md"
EVERY = re.findall(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
EXAMPLES = [example for example in EVERY if not example.startswith("name")]
"""Tables of rankers; others are whole audit files."""

AUDIT = """
name = "docs"
measures = ["nDCG@10"]
[[collection]]
name = "home"
use = "beir"
path = "home"
depth = 6
"""


def score(query: str, documents: Sequence[str]) -> list[float]:
    return [len({*query.split()} & {*text.split()}) - len(text) / 1e3 for text in documents]


PIPELINES = """
class Stage:
    def transform(self, frame):
        return frame.assign(score=score(frame["query"].iloc[0], frame["text"].tolist()))

def deployed():
    return Pipeline([None, Stage()])

class Pipeline(list):
    def transform(self, frame):
        raise AssertionError("the retriever is to be skipped")
"""

COMPRESSORS = """
class deployed:
    def compress_documents(self, documents, query):
        scores = score(query, [document.page_content for document in documents])
        for document, value in zip(documents, scores):
            document.metadata["relevance_score"] = value
        return documents[::-1]
"""


@pytest.fixture
def folder(tmp_path: Path, write: object, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A collection, and the modules that the examples name, beside the audit file."""
    write(tmp_path / "home", [f"nobody word {n}" for n in range(5)])  # type: ignore[operator]
    source = "from collections.abc import Sequence\n" + getsource(score)
    for name, more in {"ranking": "", "pipelines": PIPELINES, "compressors": COMPRESSORS}.items():
        (tmp_path / f"{name}.py").write_text(source + more, encoding="utf-8")
    monkeypatch.setenv("RERANK_KEY", "a key")
    before = list(sys.path)
    yield tmp_path
    sys.path[:] = before
    for name in ("ranking", "pipelines", "compressors"):
        sys.modules.pop(name, None)


def means(folder: Path, example: str) -> dict[str, float]:
    summary = audit.run(audit_file.parse(AUDIT + example, folder=folder), folder / "out", fresh=True)
    [figures] = [e for e in summary.effectiveness if e.slice is None]
    assert not summary.rankers[0].tasks["ranking"].errors
    return dict(figures.per_query)


def test_the_page_has_an_example_of_every_kind() -> None:
    assert [re.search(r'use = "(\w+)"', each)[1] for each in EXAMPLES] == [  # type: ignore[index]
        "http", "http", "callable", "cross_encoder", "aligned", "pyterrier", "adapter",
    ]  # fmt: skip


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example_runs_with_the_figures_of_the_scorer_behind_it(folder: Path, number: int) -> None:
    example = EXAMPLES[number]
    if 'use = "cross_encoder"' in example:
        pytest.importorskip("transformers")
        assert means(folder, example)
        return
    if 'use = "aligned"' in example:  # the bundled encoder in place of the new one, too: nothing is turned
        pytest.importorskip("transformers")
        alone = '[[ranker]]\nname = "old"\nuse = "bi_encoder"\n'
        assert means(folder, example.replace(', model = "./out/new"', "")) == means(folder, alone)
        return
    if 'use = "pyterrier"' in example:
        pytest.importorskip("pandas")
    expected = means(folder, EXAMPLES[2])
    if 'use = "http"' not in example:
        assert means(folder, example) == expected
        return
    pytest.importorskip("httpx2")
    pytest.importorskip("stamina")
    keys = {"path": "/order", "query": "q", "documents": "texts", "results": "out.hits", "index": "i", "score": "s"}
    form: str | Format = "cohere" if "format" in example else changed(Format(name="", path=""), keys)
    with FakeService(form, score) as service:
        assert means(folder, re.sub(r'url = "[^"]*"', f'url = "{service.url}"', example)) == expected
        assert service.calls


def test_the_audit_file_with_language_models_names_what_there_is() -> None:
    """Every ranker of it is built, over a made-up model where it names one."""
    [file] = [example for example in EVERY if example.startswith("name")]
    spec = audit_file.parse(file)
    assert len(spec.rankers) > 5
    for ranker in spec.rankers:
        params = dict(ranker.plugin.params)
        if "lm" not in params:
            assert registry.load("ranker", ranker.plugin.use)
            continue
        named = {key: value for key, value in params["lm"].items() if key != "use"}
        factory = registry.load("language_model", params["lm"]["use"])
        signature(factory).bind(**named)
        assert registry.build("ranker", Plugin(use=ranker.plugin.use, params={**params, "lm": {"use": "scripted"}}))
