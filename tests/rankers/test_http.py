"""Services: every format there and back, every fault to its outcome, and no key anywhere."""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from email.utils import formatdate
from itertools import pairwise
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robustrank.core.errors import ContractError, PluginError, RobustRankError
from robustrank.core.types import Document, Query
from robustrank.rankers.http import HttpRanker
from robustrank.rankers.services import client
from robustrank.rankers.services.client import Gate, ServiceError, check_address, retry_after, shared
from robustrank.rankers.services.formats import FORMATS
from robustrank.testing import check_ranker
from robustrank.testing.services import FakeService, Reply

pytest.importorskip("httpx2")
stamina = pytest.importorskip("stamina")

QUERY = Query("q", "what do cats eat")
DOCS = [Document(str(n), text) for n, text in enumerate(["cats eat mice", "rain", "what cats do", "eat", "rain"])]


def overlap(query: str, texts: Sequence[str]) -> list[float]:
    """Words shared with the query, and a little for the length."""
    return [len({*query.split()} & {*text.split()}) + len(text) / 1000 for text in texts]


TRUTH = overlap(QUERY.text, [doc.text for doc in DOCS])


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """Waits between requests are noted and not waited; every test has clients of its own."""
    waits: list[float] = []
    monkeypatch.setattr("tenacity.nap.time", SimpleNamespace(sleep=waits.append))
    yield waits
    shared.cache_clear()


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_services_scores(name: str) -> None:
    with FakeService(name, overlap) as service:
        ranker = HttpRanker(url=service.url, format=name, model="a/model")
        assert ranker.score(QUERY, DOCS) == TRUTH
        assert service.calls[0][FORMATS[name].documents] == ["cats eat mice", "rain", "what cats do", "eat"]
        check_ranker(ranker, QUERY, DOCS[:4])
        assert ranker.usage.lost == 0


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20), st.randoms())
def test_scores_survive_every_format_in_any_order_of_results(scores: list[float], rng: Any) -> None:
    for form in FORMATS.values():
        order = list(range(len(scores)))
        rng.shuffle(order)
        assert form.scores(form.answer(scores, order), len(scores)) == scores


def test_a_format_of_ones_own_needs_two_paths() -> None:
    from robustrank.rankers.services.formats import Format, changed

    shape = {
        "path": "/api/v3/order",
        "query": "q",
        "documents": "texts",
        "results": "out.scores",
        "index": "",
        "score": "",
    }
    with FakeService(changed(Format(name="", path=""), shape), overlap) as service:
        assert HttpRanker(url=service.url, shape=shape).score(QUERY, DOCS) == TRUTH


def failing(**reply: Any) -> Callable[[int, Any], Reply | None]:
    """The first call fails so."""
    return lambda number, body: Reply(**reply) if number == 1 else None


PASSING: dict[str, tuple[dict[str, Any], float | None]] = {
    "429 with seconds": ({"status": 429, "headers": {"Retry-After": "7"}}, 7.0),
    "429 with milliseconds": ({"status": 429, "headers": {"retry-after-ms": "2500"}}, 2.5),
    "429 with garbage": ({"status": 429, "headers": {"Retry-After": "soon"}}, None),
    "429 without": ({"status": 429}, None),
    "500": ({"status": 500, "body": b"Internal Server Error"}, None),
    "503": ({"status": 503}, None),
    "408": ({"status": 408}, None),
    "body cut": ({"body": {"results": [1] * 100}, "cut": 0.5}, None),
    "HTML under 200": ({"body": b"<html>busy", "headers": {"Content-Type": "text/html"}}, None),
    "not gzip": ({"body": b"\x1f\x8b garbage", "headers": {"Content-Encoding": "br"}}, None),
}


@pytest.mark.parametrize("fault", PASSING)
def test_a_fault_that_passes_is_asked_again_and_counted(fault: str, at_once: list[float]) -> None:
    reply, wait = PASSING[fault]
    with FakeService("cohere", overlap, failing(**reply)) as service:
        ranker = HttpRanker(url=service.url, format="cohere")
        assert ranker.score(QUERY, DOCS) == TRUTH
        assert len(service.calls) == 2
        usage = ranker.usage
        assert (usage.calls, usage.retries, usage.pairs, usage.lost) == (2, 1, 4, 0)
        assert usage.refused == (reply.get("status") in (429, 503))
        assert at_once == [wait] if wait else 0 < at_once[0] <= 2


def test_a_retry_after_beyond_the_deadline_is_not_waited_for(at_once: list[float]) -> None:
    with FakeService("tei", overlap, failing(status=429, headers={"Retry-After": "3600"})) as service:
        with pytest.raises(ServiceError, match="HTTP 429, to be asked again in 3600 s"):
            HttpRanker(url=service.url, format="tei").score(QUERY, DOCS)
        assert (len(service.calls), at_once) == (1, [])


@pytest.mark.parametrize(
    ("status", "kind"), [(401, "key"), (403, "key"), (404, "gone"), (405, "gone"), (501, "gone"), (302, "gone")]
)
def test_what_no_retry_can_change_ends_after_one_call(status: int, kind: str) -> None:
    with FakeService("cohere", overlap, lambda number, body: Reply(status=status)) as service:
        ranker = HttpRanker(url=service.url, format="cohere")
        with pytest.raises(ServiceError, match=f"HTTP {status}: told to fail") as caught:
            ranker.score(QUERY, DOCS)
        assert (len(service.calls), caught.value.kind, ranker.usage.lost) == (1, kind, 4)


def test_a_service_that_stays_down_is_asked_as_often_as_allowed() -> None:
    with FakeService("cohere", overlap, lambda number, body: Reply(status=500)) as service:
        with pytest.raises(ServiceError, match="HTTP 500"):
            HttpRanker(url=service.url, format="cohere", attempts=3).score(QUERY, DOCS)
        assert len(service.calls) == 3
    with pytest.raises(ServiceError, match="ConnectError"):
        HttpRanker(url=service.url, format="cohere", attempts=2).score(QUERY, DOCS)


WRONG: dict[str, Callable[[Any], Any]] = {
    "short": lambda results: results[:-1],
    "an index twice": lambda results: [*results[:-1], results[0]],
    "an index beyond": lambda results: [*results[:-1], {"index": 4, "relevance_score": 1.0}],
    "an index missing": lambda results: [*results[:-1], {"relevance_score": 1.0}],
    "a score as text": lambda results: [*results[:-1], {**results[-1], "relevance_score": "0.5"}],
    "a score that is true": lambda results: [*results[:-1], {**results[-1], "relevance_score": True}],
    "NaN": lambda results: [*results[:-1], {**results[-1], "relevance_score": float("nan")}],
    "null": lambda results: [*results[:-1], {**results[-1], "relevance_score": None}],
    "no list": lambda results: {"0": results},
}


@pytest.mark.parametrize("fault", WRONG)
def test_an_answer_without_one_finite_score_for_every_document_is_an_error(fault: str) -> None:
    def plan(number: int, body: Any) -> Reply:
        good = FORMATS["jina"].answer(overlap(body["query"], body["documents"]))["results"]
        return Reply(body={"results": WRONG[fault](good)})

    with FakeService("jina", overlap, plan) as service, pytest.raises(ContractError, match="http: jina answered"):
        HttpRanker(url=service.url, format="jina").score(QUERY, DOCS)


def test_an_error_under_status_200_is_an_error() -> None:
    quota = Reply(body={"error": {"message": "quota"}})
    with (
        FakeService("jina", overlap, lambda number, body: quota) as service,
        pytest.raises(ContractError, match=r"an error instead of scores.*quota"),
    ):
        HttpRanker(url=service.url, format="jina").score(QUERY, DOCS)


def test_a_key_twice_in_one_object_is_an_error() -> None:
    body = b'{"results": [{"index": 0, "relevance_score": 0.1, "relevance_score": 9}]}'
    with (
        FakeService("jina", overlap, lambda number, asked: Reply(body=body)) as service,
        pytest.raises(ServiceError, match="the key 'relevance_score' twice"),
    ):
        HttpRanker(url=service.url, format="jina").score(QUERY, DOCS[:1])


def test_further_fields_and_any_order_are_accepted() -> None:
    def plan(number: int, body: Any) -> Reply:
        answer = FORMATS["cohere_v1"].answer(overlap(body["query"], body["documents"]))
        results = [{**result, "document": {"text": "x"}} for result in answer["results"]]
        return Reply(body={"id": 1, "results": results[::-1], "meta": {"billed_units": {"search_units": 2}}})

    with FakeService("cohere_v1", overlap, plan) as service:
        ranker = HttpRanker(url=service.url, format="cohere_v1")
        assert ranker.score(QUERY, DOCS) == TRUTH
        assert ranker.usage.billed == 2


def test_the_text_that_a_service_refuses_is_found() -> None:
    long = Document("long", "long " * 50)

    def plan(number: int, body: Any) -> Reply | None:
        return Reply(status=422, body={"error": "too long"}) if long.text in body["texts"] else None

    docs = [*(Document(str(n), f"text {n}") for n in range(9)), long]
    with FakeService("tei", overlap, plan) as service:
        with pytest.raises(
            ServiceError, match=r"HTTP 422: too long \(the text of 250 characters that begins 'long long"
        ):
            HttpRanker(url=service.url, format="tei").score(QUERY, docs)
        assert len(service.calls) <= 1 + 5


def test_too_long_is_a_declared_policy() -> None:
    with FakeService("tei", overlap) as service:
        HttpRanker(url=service.url, format="tei").score(QUERY, DOCS)
        HttpRanker(url=service.url, format="tei", too_long="cut").score(QUERY, DOCS)
        assert [body["truncate"] for body in service.calls] == [False, True]


def test_lists_are_split_to_the_limit_and_equal_texts_asked_once() -> None:
    docs = [Document(str(n), f"text {n % 70}") for n in range(100)]
    with FakeService("tei", overlap) as service:
        scores = HttpRanker(url=service.url, format="tei").score(QUERY, docs)
        assert sorted(len(body["texts"]) for body in service.calls) == [6, 32, 32]
        assert scores == overlap(QUERY.text, [doc.text for doc in docs])


def test_a_list_wise_service_is_asked_for_whole_lists_or_not_at_all() -> None:
    with FakeService("jina", overlap) as service:
        ranker = HttpRanker(url=service.url, format="jina", pointwise=False, limit=5)
        assert not ranker.card.pointwise
        assert ranker.score(QUERY, DOCS) == TRUTH
        assert len(service.calls[0]["documents"]) == 5
        with pytest.raises(ContractError, match="a list of 6 documents, `limit` is 5"):
            ranker.score(QUERY, [*DOCS, Document("6", "x")])


def test_no_documents_are_no_call() -> None:
    with FakeService("jina", overlap) as service:
        assert HttpRanker(url=service.url, format="jina").score(QUERY, []) == []
        assert service.calls == []


def test_slow_answers_end_and_the_client_works_on() -> None:
    with FakeService("jina", overlap, failing(delay=2.0)) as service:
        with pytest.raises(ServiceError, match="ReadTimeout"):
            HttpRanker(url=service.url, format="jina", timeout=0.2, attempts=1).score(QUERY, DOCS)
        assert HttpRanker(url=service.url, format="jina", timeout=0.2, attempts=1).score(QUERY, DOCS) == TRUTH
    with FakeService("jina", overlap, lambda n, body: Reply(drip=0.05, body=b" " * 1000)) as service:
        started = time.monotonic()
        with pytest.raises(ServiceError, match=r"not complete after 0\.5 s"):
            HttpRanker(url=service.url, format="jina", deadline=0.5).score(QUERY, DOCS)
        assert time.monotonic() - started < 20, "the drip would last 50 s"


@pytest.mark.parametrize("part", ["before the first byte", "in the middle"])
def test_the_deadline_ends_a_call_whatever_the_answer_waits_for(part: str) -> None:
    over = Event()

    def plan(number: int, body: object) -> Reply | None:
        if part == "before the first byte":
            over.wait(60)
            return None
        return Reply(body=b"[" * 1000, drip=0.01)

    with FakeService("jina", overlap, plan) as service:
        with pytest.raises(ServiceError, match=r"not complete after 0\.4 s"):
            HttpRanker(url=service.url, format="jina", timeout=90, deadline=0.4).score(QUERY, DOCS)
        over.set()
        assert len(service.calls) == 1


@pytest.mark.parametrize("encoding", ["gzip", "gzip, gzip"])
def test_an_answer_that_unpacks_to_more_than_the_limit_is_refused_and_not_asked_for_again(encoding: str) -> None:
    bomb = gzip.compress(bytes(client.LARGEST + (1 << 20)))
    if encoding != "gzip":
        bomb = gzip.compress(bomb)
    with FakeService(
        "jina", overlap, lambda n, body: Reply(body=bomb, headers={"content-encoding": encoding})
    ) as service:
        with pytest.raises(ServiceError, match="more than 16 MB"):
            HttpRanker(url=service.url, format="jina").score(QUERY, DOCS)
        assert len(service.calls) == 1


def test_no_more_of_an_answer_is_unpacked_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    unpacked: list[int] = []
    read = client.Client._content

    def counted(self: client.Client, response: Any, end: float) -> bytes:
        pieces = response.iter_bytes

        def each() -> Iterator[bytes]:
            for piece in pieces():
                unpacked.append(len(piece))
                yield piece

        monkeypatch.setattr(response, "iter_bytes", each)
        return read(self, response, end)

    monkeypatch.setattr(client.Client, "_content", counted)
    bomb = gzip.compress(bytes(8 * client.LARGEST))
    reply = Reply(body=bomb, headers={"content-encoding": "gzip"})
    with FakeService("jina", overlap, lambda n, body: reply) as service, pytest.raises(ServiceError, match="16 MB"):
        HttpRanker(url=service.url, format="jina").score(QUERY, DOCS)
    assert max(unpacked) <= 1 << 20
    assert sum(unpacked) <= client.LARGEST + (1 << 20)


def test_the_key_goes_to_the_service_and_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY", "sk-secret")
    echo = {"message": "no access for Bearer sk-secret, key sk-secret"}
    with FakeService("elastic", overlap, lambda n, body: Reply(status=401, body=echo)) as service:
        ranker = HttpRanker(url=service.url, format="elastic", model="m/1", key_env="A_KEY")
        with pytest.raises(ServiceError) as caught:
            ranker.score(QUERY, DOCS)
        assert service.keys == ["ApiKey sk-secret"]
        assert "sk-secret" not in f"{caught.value!r} {caught.value.__cause__!r} {ranker!r} {ranker.card!r}"


def test_a_missing_key_is_named() -> None:
    with pytest.raises(PluginError, match="environment variable NO_SUCH_KEY"):
        HttpRanker(url="http://localhost:1", format="tei", key_env="NO_SUCH_KEY").score(QUERY, DOCS)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("localhost:80", "no address"),
        ("ftp://host", "no address"),
        ("http://api.example.com", "unencrypted"),
        ("https://user:pw@host", "key_env"),
        ("http://[::1", "no address"),
    ],
)
def test_addresses_that_are_wrong_or_unsafe_are_refused_when_the_audit_file_is_read(url: str, reason: str) -> None:
    with pytest.raises(PluginError, match=reason):
        HttpRanker(url=url, format="tei")


def test_local_addresses_need_no_encryption() -> None:
    for url in ("http://localhost:8080", "http://127.0.0.1", "http://10.0.0.3", "http://reranker:80", "http://[::1]:8"):
        check_address(url, insecure=False)
    check_address("http://api.example.com", insecure=True)


def test_wrong_parameters_name_the_fix() -> None:
    wrongs: list[tuple[dict[str, Any], str]] = [
        ({"format": "coher"}, "did you mean 'cohere'"),
        ({}, "give a `format`"),
        ({"shape": {"pth": "/x"}}, "did you mean 'path'"),
        ({"format": "tei", "parameters": {"texts": []}}, "must not set texts"),
        ({"format": "tei", "in_flight": 0}, "in_flight must be positive"),
    ]
    for wrong, reason in wrongs:
        with pytest.raises(PluginError, match=reason):
            HttpRanker(url="http://localhost", **wrong)


def test_the_identity_is_what_is_sent_and_the_version_or_address() -> None:
    base = HttpRanker(url="http://localhost:1", format="tei")
    same = [base, replace(base, in_flight=8, timeout=3.0)]
    other = [
        replace(base, parameters={"raw_scores": False}), replace(base, version="2"), replace(base, too_long="cut"),
        replace(base, url="http://localhost:2"),
    ]  # fmt: skip
    assert len({ranker.card.fingerprint for ranker in same}) == 1
    assert len({ranker.card.fingerprint for ranker in [*same, *other]}) == 5
    versions = [replace(base, url=f"http://localhost:{port}", version="2") for port in (1, 2)]
    assert versions[0].card.fingerprint == versions[1].card.fingerprint


def test_waiting_times_are_read_from_every_header() -> None:
    assert retry_after({"retry-after-ms": "1500", "retry-after": "9"}) == 1.5
    assert retry_after({"retry-after": "9"}) == 9
    assert retry_after({"retry-after": formatdate(time.time() + 100)}) == pytest.approx(100, abs=3)
    assert retry_after({"retry-after": formatdate(time.time() - 100)}) == 0
    assert retry_after({"retry-after": "garbage"}) is None
    assert retry_after({}) is None


def test_fewer_requests_at_one_time_where_the_service_says_there_are_too_many() -> None:
    gate = Gate(8, None)
    gate.crowded()
    assert gate._limit == 4
    for _ in range(20):
        gate.well()
    assert gate._limit == 5
    for _ in range(5):
        gate.crowded()
    assert gate._limit == 1


def test_requests_of_a_minute_are_spread_over_it(monkeypatch: pytest.MonkeyPatch) -> None:
    starts: list[float] = []
    now = [100.0]
    monkeypatch.setattr(client, "monotonic", lambda: now[0])
    monkeypatch.setattr(client, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    gate = Gate(2, 120)
    for _ in range(4):
        with gate:
            starts.append(now[0])
    assert [b - a for a, b in pairwise(starts)] == pytest.approx([0.5] * 3)


def test_calls_run_at_the_same_time_up_to_the_limit() -> None:
    running, most = [0], [0]

    def scorer(query: str, texts: Sequence[str]) -> list[float]:
        running[0] += 1
        most[0] = max(most[0], running[0])
        time.sleep(0.05)
        running[0] -= 1
        return overlap(query, texts)

    docs = [Document(str(n), f"text {n}") for n in range(40)]
    for in_flight in (1, 4):
        most[0] = 0
        with FakeService("jina", scorer) as service:
            HttpRanker(url=service.url, format="jina", limit=5, in_flight=in_flight).score(QUERY, docs)
        assert most[0] <= in_flight
        assert most[0] == 1 or most[0] >= 3


def test_errors_of_services_travel_between_processes() -> None:
    import pickle

    error = ServiceError("HTTP 429", "rate", 3.0)
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - its own
    assert (str(copy), copy.kind, copy.wait) == ("HTTP 429", "rate", 3.0)
    assert isinstance(copy, RobustRankError)
