"""A training file for the small bundled ranker beside a small collection."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pytest

STAGE = """
name = "grown"
[student]
model = "robustrank-tiny"
max_length = 24
[[stage]]
name = "only"
teacher = [{ use = "random", seed = 1 }]
dev = 2
schedule = { epochs = 2, lists = 2, size = 4, checkpoint = 2 }
[[stage.source]]
name = "topics"
path = "home"
split = "train"
candidates = [2, 0, 0, 2]
"""


@pytest.fixture
def training(tmp_path: Path) -> Path:
    """A training file for the small bundled ranker beside a collection of twenty texts and eight questions."""
    rng = Random(5)
    texts = [" ".join(rng.choices(["sea", "sun", "salt", "moon", "wide", "bright"], k=8)) for _ in range(20)]
    (tmp_path / "home" / "qrels").mkdir(parents=True)
    passages, queries = (
        [json.dumps({"_id": f"{i}", "text": t}) for i, t in enumerate(rows)] for rows in (texts, texts[:8])
    )
    (tmp_path / "home" / "corpus.jsonl").write_text("\n".join(passages))
    (tmp_path / "home" / "queries.jsonl").write_text("\n".join(queries))
    judged = "\n".join(f"{i}\t{i}\t1" for i in range(8))
    (tmp_path / "home" / "qrels" / "train.tsv").write_text(f"query-id\tcorpus-id\tscore\n{judged}\n")
    file = tmp_path / "training.toml"
    file.write_text(STAGE)
    return file
