"""Training queries that a language model writes for passages (Promptagator, Dai et al. 2023).

The prompt is the same for every model (:func:`prompt`): an instruction, at most eight examples, the passage. Answers
are those at temperature 0, kept on disk, so that a run that was cut off requests none twice; they are cleaned
(:func:`cleaned`), and what is of no use is left out and counted.
"""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice
from pathlib import Path
from random import Random

from robustrank.collections import lines
from robustrank.core.errors import DataError, PluginError
from robustrank.core.progress import Progress
from robustrank.core.types import Document, Query
from robustrank.plugins import registry
from robustrank.rankers.llm.asking import require
from robustrank.rankers.llm.interface import Ability, LanguageModel, Prompt, Segment, Written
from robustrank.retrieval.analysis import query_keys
from robustrank.training import groups
from robustrank.training.spec import SourceSpec

INSTRUCTION = (
    "Write the search query that the last passage answers, as a person would type it into a search engine. "
    "Answer with the query alone, on one line.\n\n"
)
TOKENS, STOP = 40, ("\n",)
"""Largest length of an answer, and what ends it."""

LONGEST = 20
"""Words of a query, at most."""

MOST = 8
"""Examples, at most, as in the paper."""

BATCH = 8
"""Passages that are asked about at a time; after ``kill -9`` the answers of one batch are lost."""

MARKS, NUMBER = " \t*-\"'`“”", re.compile(r"^\d+[.)]\s+")
"""What stands around a query in answers, and the number of a list."""

KEPT, REFUSED, EMPTY, LONG, REPEATED, EXCLUDED = "kept", "refused", "empty", "too long", "repeated", "excluded"
"""What becomes of an answer."""


def prompt(examples: Sequence[tuple[str, str]], text: str) -> list[Segment]:
    """The question to the model: ``Passage: ...`` and ``Query: ...`` for every example and, left open, the passage.

    Where the model has a chat template, queries of examples are its own turns: shown them in one message, a small model
    copies an example.

    Args:
        examples: Queries, each with its passage.
        text: The passage to write a query for.
    """
    segments = [Segment(INSTRUCTION)]
    for number, (query, passage) in enumerate(examples):
        segments += [Segment("Passage: "), Segment(_line(passage), document=number), Segment("\nQuery:")]
        segments += [Segment(f" {query}", role="assistant"), Segment("\n\n")]
    return [*segments, Segment("Passage: "), Segment(_line(text), document=len(examples)), Segment("\nQuery:")]


def cleaned(answer: str) -> str:
    """The first line that has words, up to its first question mark, without label, quotes and list marks around it."""
    line = next((each for each in answer.splitlines() if each.strip()), "")
    line = NUMBER.sub("", line.strip(MARKS)).strip(MARKS).removeprefix("Query:").strip(MARKS)
    question, mark, _ = line.partition("?")
    return " ".join((question + mark).split())


@dataclass(frozen=True)
class Writer:
    """Asks language models for the queries of sources.

    Args:
        path: An SQLite file of answers; created when it is missing.
        progress: Receives the queries of every source.
        counts: Source to what became of the answers about its passages.
    """

    path: Path
    progress: Progress
    counts: dict[str, Counter[str]] = field(default_factory=dict)

    def queries(
        self, source: SourceSpec, documents: Mapping[str, Document], forbidden: set[str], seed: int
    ) -> tuple[list[Query], dict[str, str]]:
        """As many queries as the source takes, and query id to the id of the passage that it was written for.

        Passages are asked about in a seeded order until there are enough queries, ``rounds`` times each, with another
        part of a long passage every time.

        Args:
            source: The source, with a generator.
            documents: Its passages.
            forbidden: Keys (:func:`robustrank.retrieval.analysis.query_keys`) of test queries.
            seed: Seed of all draws.

        Raises:
            DataError: The file of examples is wrong, or has a test query.
            PluginError: The model cannot write, or no answer is of use.
        """
        assert source.generator is not None
        lm: LanguageModel = registry.build("language_model", source.generator.plugin)
        require(f"source {source.name!r}: generator", lm, Ability.GENERATE)
        examples = read_examples(source.generator.examples, source.words, forbidden)
        counts = self.counts.setdefault(source.name, Counter())
        seen = {*query_keys([Query("", query) for query, _ in examples])}
        queries: list[Query] = []
        origins: dict[str, str] = {}
        wanted = len(documents) * source.rounds if source.queries is None else source.queries
        self.progress.start(f"{source.name}: queries of {lm.card.name}", wanted)
        places = _places(source, documents, seed)
        while len(queries) < wanted and (batch := list(islice(places, BATCH))):
            texts = [self._part(documents[doc_id].text, f"{doc_id}/{n}", source, seed) for doc_id, n in batch]
            for (doc_id, number), answer in zip(batch, self._answers(lm, examples, texts), strict=True):
                if len(queries) == wanted:
                    break
                query = Query(f"{doc_id}/{number}", cleaned(answer.text))
                (key,) = query_keys([query])
                fate = _fate(answer, query.text, key, seen, forbidden)
                counts[fate] += 1
                if fate == KEPT:
                    seen.add(key)
                    queries.append(query)
                    origins[query.query_id] = doc_id
                    self.progress.advance()
        if not queries:
            raise PluginError(
                f"source {source.name!r}: no answer of {lm.card.name} is of use as a query "
                f"({', '.join(f'{n} {fate}' for fate, n in counts.items()) or 'the collection has no passages'})"
            )
        return queries, origins

    def _part(self, text: str, name: str, source: SourceSpec, seed: int) -> str:
        return groups.window(text, source.words, Random(f"{seed}|{source.name}|written|{name}"))

    def _answers(self, lm: LanguageModel, examples: Sequence[tuple[str, str]], texts: Sequence[str]) -> list[Written]:
        """An answer for each passage; the model is asked what is not on disk."""
        prompts = [prompt(examples, text) for text in texts]
        keys = [_key(lm, each) for each in prompts]
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(self.path)) as database:
            database.execute("CREATE TABLE IF NOT EXISTS answers (prompt BLOB PRIMARY KEY, text, cut, refused)")
            database.execute("PRAGMA journal_mode = WAL")
            found = {key: answer for key in keys if (answer := _kept(database, key)) is not None}
            new = {key: each for key, each in zip(keys, prompts, strict=True) if key not in found}
            if new:
                made = map(_storable, lm.generate(list(new.values()), tokens=TOKENS, stop=STOP))
                rows = [(key, *answer) for key, answer in zip(new, made, strict=True)]
                with database:
                    database.executemany("INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?)", rows)
                # Another training may have stored its own in the meantime: both go on with the same ones.
                found |= {key: answer for key in new if (answer := _kept(database, key)) is not None}
        return [found[key] for key in keys]


def _storable(answer: Written) -> Written:
    """The answer without halves of characters, which a service may send and no file can hold."""
    return answer._replace(text=answer.text.encode("utf-8", "replace").decode("utf-8"))


def _kept(database: sqlite3.Connection, key: bytes) -> Written | None:
    row = database.execute("SELECT text, cut, refused FROM answers WHERE prompt = ?", (key,)).fetchone()
    return None if row is None else Written(str(row[0]), bool(row[1]), bool(row[2]))


def read_examples(path: str | None, words: int, forbidden: set[str]) -> list[tuple[str, str]]:
    """Queries with their passages; none without a file.

    Args:
        path: A file with one JSON object a line, with ``query`` and ``text``.
        words: Passages are cut to this many words.
        forbidden: Keys of test queries.

    Raises:
        DataError: A line is wrong or one too many, or its query is a test query.
    """
    if path is None:
        return []
    file = Path(path)
    examples: list[tuple[str, str]] = []
    for line, value in lines.objects(file):
        query, text = (_line(lines.field(value, name, file, line)) for name in ("query", "text"))
        if not query or not text:
            raise DataError("an empty query or text; leave the line out", path=file, line=line)
        if query_keys([Query("", query)])[0] in forbidden:
            raise DataError(f"{query!r} is a test query of an excluded collection; leave it out", path=file, line=line)
        if len(examples) == MOST:
            raise DataError(f"more than {MOST} examples; leave out the rest", path=file, line=line)
        examples.append((query, " ".join(text.split()[:words])))
    return examples


def _places(source: SourceSpec, documents: Mapping[str, Document], seed: int) -> Iterator[tuple[str, int]]:
    """Document id and round, in the order in which they are asked about."""
    for number in range(source.rounds):
        doc_ids = sorted(documents)
        Random(f"{seed}|{source.name}|written|{number}").shuffle(doc_ids)
        yield from ((doc_id, number) for doc_id in doc_ids)


def _fate(answer: Written, query: str, key: str, seen: set[str], forbidden: set[str]) -> str:
    if answer.refused:
        return REFUSED
    if not key:
        return EMPTY
    if len(query.split()) > LONGEST or (answer.cut and not query.endswith("?")):
        return LONG
    return REPEATED if key in seen else EXCLUDED if key in forbidden else KEPT


def _key(lm: LanguageModel, question: Prompt) -> bytes:
    parts = (lm.card.fingerprint, TOKENS, STOP, [tuple(segment) for segment in question])
    return sha256(repr(parts).encode()).digest()[:16]


def _line(text: str) -> str:
    return " ".join(text.split())
