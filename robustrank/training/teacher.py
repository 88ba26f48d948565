"""Scores of a teacher, cached on disk by content: no text is scored twice."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from robustrank.core.errors import PluginError
from robustrank.core.interfaces import Ranker
from robustrank.core.ranking import checked_scores
from robustrank.core.types import Document, Query


class CachedTeacher:
    """A ranker whose scores are kept in an SQLite file; after ``kill -9`` only the list being scored is lost.

    Args:
        ranker: A pointwise ranker; its fingerprint is part of every key.
        path: The file; created when it is missing.

    Raises:
        PluginError: The ranker is not pointwise, so a pair has no score of its own.
    """

    def __init__(self, ranker: Ranker, path: Path) -> None:
        if not ranker.card.pointwise:
            raise PluginError(f"teacher {ranker.card.name}: a teacher must be pointwise, so that a pair has one score")
        self._ranker = ranker
        path.parent.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(path)
        self._database.execute("CREATE TABLE IF NOT EXISTS scores (pair BLOB PRIMARY KEY, score REAL) WITHOUT ROWID")
        self._database.execute("PRAGMA journal_mode = WAL")

    def scores(self, query: str, texts: Sequence[str]) -> list[float]:
        """One score per text, in order; the ranker scores only pairs that are not on disk."""
        keys = [self._key(query, text) for text in texts]
        scores = {key: score for key in keys if (score := self._read(key)) is not None}
        new = {key: text for key, text in zip(keys, texts, strict=True) if key not in scores}
        if new:
            documents = [Document(str(number), text) for number, text in enumerate(new.values())]
            fresh = checked_scores(self._ranker, Query("", query), documents)
            scores |= zip(new, fresh, strict=True)
            with self._database:
                self._database.executemany("INSERT OR IGNORE INTO scores VALUES (?, ?)", [(k, scores[k]) for k in new])
        return [scores[key] for key in keys]

    def _read(self, key: bytes) -> float | None:
        row = self._database.execute("SELECT score FROM scores WHERE pair = ?", (key,)).fetchone()
        return None if row is None else float(row[0])

    def _key(self, query: str, text: str) -> bytes:
        parts = (self._ranker.card.fingerprint, query, text)
        return sha256(b"".join(len(part := p.encode()).to_bytes(8) + part for p in parts)).digest()[:16]
