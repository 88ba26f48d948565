"""An OpenAI-compatible endpoint on this machine: what it answers, refuses, cuts and fails at, and no key anywhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import exp, log
from types import SimpleNamespace
from typing import Any

import pytest

from robustrank.core import usage
from robustrank.core.answers import Faults
from robustrank.core.errors import ContractError, PluginError
from robustrank.core.types import Document, Query
from robustrank.rankers.llm.backends.openai import OpenAIModel
from robustrank.rankers.llm.first import LlmFirst
from robustrank.rankers.llm.interface import Ability, Segment, Written
from robustrank.rankers.llm.pointwise import LlmQueryLikelihood, LlmYesNo
from robustrank.rankers.llm.windows import LlmWindows
from robustrank.rankers.services.client import ServiceError, shared
from robustrank.testing.services import FakeService, Plan, Reply

pytest.importorskip("httpx2")
pytest.importorskip("stamina")

QUERY = Query("q", "what do cats eat")
DOCS = [Document("a", "rain"), Document("b", "cats eat mice"), Document("c", "cats")]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("tenacity.nap.time", SimpleNamespace(sleep=lambda seconds: None))
    yield
    shared.cache_clear()


def serve(plan: Plan) -> FakeService:
    return FakeService("tei", lambda query, texts: [], plan)


def says(text: str | None, reason: str = "stop", **message: Any) -> Reply:
    choice = {"index": 0, "finish_reason": reason, "message": {"role": "assistant", "content": text, **message}}
    return Reply(body={"choices": [choice], "usage": {"prompt_tokens": 50, "completion_tokens": 7}})


def tells(**values: float) -> Reply:
    """Alternatives of the first token; ``_`` stands for a blank."""
    top = [{"token": name.replace("_", " "), "logprob": value} for name, value in values.items()]
    choice = {"finish_reason": "length", "message": {"content": "A"}, "logprobs": {"content": [{"top_logprobs": top}]}}
    return Reply(body={"choices": [choice]})


def windows(service: FakeService, **more: Any) -> LlmWindows:
    return LlmWindows(lm=OpenAIModel(url=f"{service.url}/v1", model="m", **more))


def test_an_order_is_asked_for_and_read_and_paid_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_KEY", "sk-secret")
    with serve(lambda number, body: says("[2] > [3] > [1]")) as service, usage.counting() as used:
        ranker = windows(service, key_env="LLM_KEY", parameters={"seed": 1}, leave_out=["temperature"])
        answer = ranker.answer(QUERY, DOCS)
    assert list(answer.scores) == [1.0, 3.0, 2.0]
    assert answer.faults == Faults()
    (body,) = service.calls
    assert (body["model"], body["seed"], body["max_tokens"]) == ("m", 1, 40)
    assert "temperature" not in body
    assert [message["role"] for message in body["messages"]] == ["user"]
    assert "[2] cats eat mice" in body["messages"][0]["content"]
    assert service.keys == ["Bearer sk-secret"]
    assert (used.calls, used.passes, used.tokens_in, used.tokens_out) == (1, 7, 50, 7)
    assert "secret" not in repr(ranker)
    assert ranker.card.can_change


@pytest.mark.parametrize(
    ("reply", "faults"),
    [
        (says("[2] > ", "length"), Faults(missing=1, cut=1)),
        (says(None, "content_filter"), Faults(refused=1)),
        (says("[1] > [2] > [3]", "content_filter"), Faults(refused=1)),
        (says(None, refusal="I cannot help with that."), Faults(refused=1)),
        (says(None), Faults(refused=1)),
        (
            Reply(status=400, body={"error": {"message": "refused by the content management policy. 3 > 2"}}),
            Faults(refused=1),
        ),
    ],
)
def test_what_is_cut_or_refused_is_an_invalid_answer(reply: Reply, faults: Faults) -> None:
    with serve(lambda number, body: reply) as service:
        answer = windows(service).answer(QUERY, DOCS)
    assert answer.faults == faults
    assert answer.invalid == 1


@pytest.mark.parametrize(
    ("reply", "error", "message"),
    [
        (
            Reply(status=400, body={"error": {"message": "maximum context length is 20 tokens"}}),
            ServiceError,
            "maximum",
        ),
        (Reply(status=401, body={"error": {"message": "Error code: 401 [3] > [2] > [1]"}}), ServiceError, "HTTP 401"),
        (Reply(status=429, body={"error": {"message": "2 of 20 left"}}), ServiceError, "HTTP 429"),
        (Reply(body={"error": {"message": "[3] > [2] > [1]"}}), ContractError, "an error instead of an answer"),
        (Reply(body={"choices": []}), ContractError, "without its one choice"),
        (Reply(body={"choices": [{"message": "[1]"}]}), ContractError, "without a message of text"),
        (Reply(body=b"<html>[3] > [2] > [1]</html>"), ServiceError, "not JSON"),
    ],
)
def test_a_failed_call_is_an_error_and_never_an_order(reply: Reply, error: type[Exception], message: str) -> None:
    with serve(lambda number, body: reply) as service, pytest.raises(error, match=message):
        windows(service, attempts=2).answer(QUERY, DOCS)


def test_a_busy_service_is_asked_again() -> None:
    with serve(lambda number, body: Reply(status=429) if number == 1 else says("[3] > [2] > [1]")) as service:
        assert windows(service).score(QUERY, DOCS) == [1.0, 2.0, 3.0]


def test_letters_that_the_service_does_not_tell_are_counted() -> None:
    with serve(lambda number, body: tells(C=-0.1, _C=-3.0, A=-2.0, The=-4.0)) as service:
        lm = OpenAIModel(url=service.url, model="m")
        assert lm.options([[Segment("x")]], ["A", "B", "C"]) == [[-2.0, None, pytest.approx(log(exp(-0.1) + exp(-3)))]]
        answer = LlmFirst(lm=lm, begin="").answer(QUERY, DOCS)
        assert dict(service.calls[0]) | {"messages": []} == {
            "model": "m", "temperature": 0.0, "messages": [], "max_tokens": 1, "logprobs": True, "top_logprobs": 20,
        }  # fmt: skip
    assert list(answer.scores) == [2.0, 1.0, 3.0]
    assert answer.faults == Faults(missing=1)


def test_spellings_with_and_without_a_blank_are_told_apart_where_both_are_asked_for() -> None:
    with serve(lambda number, body: tells(yes=log(0.3), _yes=log(0.2), No=log(0.1))) as service:
        lm = OpenAIModel(url=service.url, model="m")
        assert lm.options([[Segment("x")]], ["yes", " yes", "no"]) == [
            [pytest.approx(log(p)) for p in (0.3, 0.2)] + [None]
        ]
        ranker = LlmYesNo(lm=lm)
        assert ranker.score(QUERY, DOCS) == pytest.approx([log(0.5 / 0.1)] * 3)
        assert len(service.calls) == 4


def test_an_answer_is_begun_only_where_the_service_goes_on_with_it() -> None:
    with serve(lambda number, body: tells(A=-1.0, B=-2.0, C=-3.0)) as service:
        with pytest.raises(ContractError, match=r"set begin = \"\" of the ranker, or prefill = true"):
            LlmFirst(lm=OpenAIModel(url=service.url, model="m")).score(QUERY, DOCS)
        LlmFirst(lm=OpenAIModel(url=service.url, model="m", prefill=True)).score(QUERY, DOCS)
        (body,) = service.calls
    assert body["messages"][-1] == {"role": "assistant", "content": "["}
    assert (body["continue_final_message"], body["add_generation_prompt"]) == (True, False)


def test_a_service_without_log_probabilities_is_an_error() -> None:
    with serve(lambda number, body: says("A")) as service, pytest.raises(ContractError, match="tells no log-prob"):
        LlmYesNo(lm=OpenAIModel(url=service.url, model="m")).score(QUERY, DOCS)


def echo(number: int, body: Mapping[str, Any]) -> Reply:
    """Every blank-separated word is a token of log-probability minus its length; one more is written."""
    tokens, starts, at = [], [], 0
    for word in body["prompt"].split(" "):
        token = word if at == 0 else f" {word}"
        tokens.append(token)
        starts.append(at)
        at += len(token)
    values = [None, *(-float(len(token)) for token in tokens[1:]), -99.0]
    told = {"tokens": [*tokens, " more"], "token_logprobs": values, "text_offset": [*starts, at]}
    return Reply(body={"choices": [{"text": "", "logprobs": told}]})


def test_likelihoods_are_summed_over_the_tokens_after_the_prompt() -> None:
    with serve(echo) as service:
        lm = OpenAIModel(url=service.url, model="m", echo=True)
        assert lm.loglik([[Segment("Passage: x")], [Segment("y")]], [" what eats", ""]) == [(-10.0, 2), (0.0, 0)]
        assert LlmQueryLikelihood(lm=lm).score(Query("q", "ab"), DOCS) == [-3.0] * 3
        with pytest.raises(PluginError, match="llm_query_likelihood needs loglik"):
            LlmQueryLikelihood(lm=OpenAIModel(url=service.url, model="m"))
    with serve(lambda number, body: Reply(body={"choices": [{"text": "x"}]})) as service:
        lm = OpenAIModel(url=service.url, model="m", echo=True)
        with pytest.raises(ContractError, match="echoes no log-probabilities"):
            lm.loglik([[Segment("a")]], [" b"])


def test_several_prompts_are_asked_at_one_time_and_answered_in_order() -> None:
    def plan(number: int, body: Mapping[str, Any]) -> Reply:
        return says(body["messages"][0]["content"].upper())

    with serve(plan) as service:
        lm = OpenAIModel(url=service.url, model="m")
        written = lm.generate([[Segment(name)] for name in "abcdef"], tokens=3, stop=["\n"])
    assert written == [Written(name) for name in "ABCDEF"]
    assert service.calls[0]["stop"] == ["\n"]


def test_the_identity_is_what_is_sent_and_the_address_or_version() -> None:
    def card(**more: Any) -> str:
        return OpenAIModel(**{"url": "http://localhost:1/v1", "model": "m", **more}).card.fingerprint

    assert (
        len({card(), card(model="n"), card(parameters={"seed": 1}), card(url="http://localhost:2/v1"), card(top=5)})
        == 5
    )
    assert card(version="1") == card(version="1", url="http://localhost:2/v1", key_env="X")
    assert OpenAIModel(url="http://localhost:1", model="m").card.can == {Ability.GENERATE, Ability.OPTIONS}


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"url": "ftp://x"}, "is no address"),
        ({"url": "http://example.com/v1"}, "unencrypted"),
        ({"top": 0}, "top must be positive"),
        ({"parameters": {"messages": []}}, "must not set messages"),
    ],
)
def test_impossible_settings_are_refused(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(PluginError, match=message):
        OpenAIModel(**{"url": "http://localhost/v1", "model": "m", **parameters})
