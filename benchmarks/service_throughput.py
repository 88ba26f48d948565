"""Throughput of the client of services against one that takes 50 ms for an answer, by the number of calls at one time.

    python benchmarks/service_throughput.py

Prints documents a second and the ratio to one call at a time, both from one run.
"""

from __future__ import annotations

from time import perf_counter

from robustrank.core.types import Document, Query
from robustrank.rankers.http import HttpRanker
from robustrank.testing.services import FakeService

LATENCY, PART, PARTS = 0.05, 10, 64


def main() -> None:
    """Print one line for each number of calls at one time."""
    docs = [Document(str(n), f"text {n}") for n in range(PART * PARTS)]
    first = 0.0
    with FakeService("cohere", lambda query, texts: [float(len(text)) for text in texts], latency=LATENCY) as service:
        for in_flight in (1, 2, 4, 8):
            ranker = HttpRanker(url=service.url, format="cohere", limit=PART, in_flight=in_flight)
            ranker.score(Query("q", "warm"), docs[: PART * in_flight])
            started = perf_counter()
            ranker.score(Query("q", "query"), docs)
            rate = len(docs) / (perf_counter() - started)
            first = first or rate
            print(f"{in_flight} at one time: {rate:7.1f} documents/s, ratio {rate / first:.2f}")


if __name__ == "__main__":
    main()
