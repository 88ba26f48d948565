"""Language models behind an endpoint that speaks OpenAI's chat completions: OpenAI, vLLM, llama.cpp, Ollama, LiteLLM, …

A call that fails is an error, and what it says is never an answer. A refusal by a content filter is an answer that is
refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from math import exp, isfinite, log
from typing import TYPE_CHECKING, Any

from robustrank.core.errors import ContractError, PluginError
from robustrank.rankers.llm.interface import Ability, ModelCard, Prompt, Written
from robustrank.rankers.services.client import Client, Limits, ServiceError, check_address, shared, together
from robustrank.rankers.services.formats import at

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CHAT, COMPLETIONS = "/chat/completions", "/completions"

FILTERED = ("content_filter", "content filter", "content management policy", "safety system", "moderation")
"""What services say, in an answer 400, of a request that their content filter refused."""


@dataclass(frozen=True, kw_only=True)
class OpenAIModel:
    """A model behind an OpenAI-compatible endpoint, asked at temperature 0.

    Log-probabilities of first tokens are asked for where a ranker needs them, as many as the service tells; likelihoods
    of texts where the endpoint ``/completions`` echoes them; attention is never told.

    Args:
        url: Address up to the version, ``"https://api.openai.com/v1"`` or ``"http://localhost:8000/v1"``.
        model: Name of the model.
        key_env: Environment variable that holds the key. The key stands in no record, error or report.
        version: Of what runs behind the address; with it, the address is no part of the identity.
        parameters: Further request fields, such as ``{ reasoning_effort = "low" }``; ``temperature`` among them.
        leave_out: Fields that the service does not take, such as ``["temperature"]``.
        tokens_field: Name of the field that limits an answer; newer services have ``"max_completion_tokens"``.
        top: Log-probabilities of first tokens that are asked for; most services tell 20 at most.
        prefill: The service continues a message of the assistant (vLLM); else no answer can be begun for it.
        echo: The endpoint ``/completions`` tells log-probabilities of a prompt (vLLM, llama.cpp): likelihoods can be
            asked for. No chat template is used there.
        context: Tokens of prompt and answer, where it is known.
        deterministic: Set ``false`` where the same call may give another answer.
        in_flight: Calls at one time.
        per_minute: Calls a minute.
        timeout: Seconds without a byte of the answer.
        deadline: Seconds of a call, with its retries.
        attempts: Requests of one call at most.
        insecure: Allow plain HTTP to hosts that are not local.
    """

    url: str
    model: str
    key_env: str = ""
    version: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    leave_out: Sequence[str] = ()
    tokens_field: str = "max_tokens"
    top: int = 20
    prefill: bool = False
    echo: bool = False
    context: int | None = None
    deterministic: bool = True
    in_flight: int = 4
    per_minute: int | None = None
    timeout: float = 60.0
    deadline: float = 120.0
    attempts: int = 6
    insecure: bool = False

    def __post_init__(self) -> None:
        for name in ("top", "in_flight", "per_minute", "timeout", "deadline", "attempts", "context"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise PluginError(f"openai: {name} must be positive, not {value}")
        check_address(self.url, insecure=self.insecure)
        fixed = {"model", "messages", "prompt", "stream", "n", "logprobs", "top_logprobs", self.tokens_field}
        if set_too := sorted(fixed & {*self.parameters}):
            raise PluginError(f"openai: parameters must not set {', '.join(set_too)}; the audit does")

    @property
    def card(self) -> ModelCard:
        """What is sent is the identity, with the version where one is given, else with the address."""
        sent = [
            self.model, dict(self.parameters), list(self.leave_out), self.tokens_field, self.top, self.prefill,
            self.version or self.url,
        ]  # fmt: skip
        more = {Ability.LOGLIK} if self.echo else set()
        return ModelCard(
            name=f"openai: {self.model}",
            fingerprint=sha256(json.dumps(sent, sort_keys=True).encode()).hexdigest()[:16],
            can=frozenset({Ability.GENERATE, Ability.OPTIONS} | more),
            context=self.context,
            deterministic=self.deterministic,
            can_change=True,
            note="the service's weights cannot be seen; set `version` where you know what runs",
        )

    def generate(self, prompts: Sequence[Prompt], /, *, tokens: int, stop: Sequence[str] = ()) -> list[Written]:
        """What the service writes.

        Raises:
            ServiceError: It did not answer.
            ContractError: Its answer is no chat completion.
        """
        more: dict[str, Any] = {self.tokens_field: tokens, **({"stop": list(stop)} if stop else {})}
        return together(lambda prompt: _written(self._chat(prompt, more)), prompts, self.in_flight)

    def options(self, prompts: Sequence[Prompt], choices: Sequence[str], /) -> list[list[float | None]]:
        """Log-probability of each choice as the first token, among those that the service tells.

        Raises:
            ServiceError: It did not answer.
            ContractError: It tells no log-probabilities.
        """
        more = {self.tokens_field: 1, "logprobs": True, "top_logprobs": self.top}
        return together(lambda prompt: _first(self._chat(prompt, more), choices), prompts, self.in_flight)

    def loglik(self, prompts: Sequence[Prompt], continuations: Sequence[str], /) -> list[tuple[float, int]]:
        """Log-probabilities of texts, echoed.

        Raises:
            ServiceError: The service did not answer.
            ContractError: It does not echo them.
        """
        self._require(Ability.LOGLIK)
        pairs = list(zip(prompts, continuations, strict=True))
        return together(lambda pair: self._echoed(*pair), pairs, self.in_flight)

    def attend(self, prompt: Prompt, endings: Sequence[Prompt], /) -> list[list[NDArray[np.float64]]]:
        """Refused: no service tells attention.

        Raises:
            ContractError: Always.
        """
        raise ContractError("openai: a service tells no attention; use a model of transformers")

    def _chat(self, prompt: Prompt, more: Mapping[str, Any]) -> Any:
        """The one choice of an answer, or ``None`` where the content filter refused the request."""
        messages: list[dict[str, str]] = []
        for segment in prompt:
            if messages and messages[-1]["role"] == segment.role:
                messages[-1]["content"] += segment.text
            else:
                messages.append({"role": segment.role, "content": segment.text})
        body: dict[str, Any] = {"messages": messages, **more}
        if messages and messages[-1]["role"] == "assistant":
            if not self.prefill:
                raise ContractError(
                    'openai: the prompt begins the answer, and services do not go on with it; set begin = "" of the '
                    "ranker, or prefill = true where this one does"
                )
            body |= {"continue_final_message": True, "add_generation_prompt": False}
        try:
            answer = self._post(CHAT, body)
        except ServiceError as error:
            if str(error).startswith("HTTP 400") and any(each in str(error).lower() for each in FILTERED):
                return None
            raise
        return _choice(answer)

    def _echoed(self, prompt: Prompt, text: str) -> tuple[float, int]:
        """The log-probabilities of the tokens that end after the prompt."""
        if not text:
            return 0.0, 0
        before = "".join(segment.text for segment in prompt)
        body = {"prompt": before + text, "max_tokens": 1, "echo": True, "logprobs": 1}
        told = _choice(self._post(COMPLETIONS, body)).get("logprobs") or {}
        tokens, values, starts = (told.get(key) for key in ("tokens", "token_logprobs", "text_offset"))
        if not (isinstance(tokens, list) and isinstance(values, list) and isinstance(starts, list)):
            raise ContractError("openai: the service echoes no log-probabilities (tokens, token_logprobs, text_offset)")
        whole, ends = len(before) + len(text), [*starts[1:], None]
        own = [
            value for value, start, end in zip(values, starts, ends, strict=True)
            if start < whole and (whole if end is None else end) > len(before)
        ]  # fmt: skip
        if not own or starts[-1] < whole - len(text) or not all(_number(value) for value in own):
            raise ContractError("openai: the service does not echo a log-probability for every token of a prompt")
        return sum(own), len(own)

    def _post(self, path: str, body: Mapping[str, Any]) -> Any:
        sent = {"model": self.model, "temperature": 0.0, **body, **self.parameters}
        client = self._client(path)
        answer = client.post({name: value for name, value in sent.items() if name not in self.leave_out})
        if not isinstance(answer, dict) or answer.get("error") or answer.get("object") == "error":
            reason = answer.get("error") if isinstance(answer, dict) else answer
            raise ContractError(f"openai: an error instead of an answer: {str(reason)[:200]}")
        wrote = _count(at(answer, "usage.completion_tokens"))
        client.count(passes=max(1, wrote), tokens_in=_count(at(answer, "usage.prompt_tokens")), tokens_out=wrote)
        return answer

    def _client(self, path: str) -> Client:
        limits = Limits(
            in_flight=self.in_flight, per_minute=self.per_minute, timeout=self.timeout, deadline=self.deadline,
            attempts=self.attempts,
        )  # fmt: skip
        return shared(self.url.rstrip("/") + path, self.key_env, "Bearer", limits, self.insecure)

    def _require(self, ability: Ability) -> None:
        if ability not in self.card.can:
            raise ContractError(f"openai: no {ability.value}; set echo = true where /completions echoes")


def _choice(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    choices = answer.get("choices")
    if not isinstance(choices, list) or len(choices) != 1 or not isinstance(choices[0], dict):
        raise ContractError(f"openai: an answer without its one choice: {json.dumps(answer)[:200]}")
    return choices[0]


def _written(choice: Mapping[str, Any] | None) -> Written:
    """An answer's text, whether it was cut, and whether it was refused."""
    if choice is None:
        return Written("", refused=True)
    message, reason = choice.get("message"), choice.get("finish_reason")
    if not isinstance(message, dict) or not isinstance(message.get("content"), str | None):
        raise ContractError(f"openai: a choice without a message of text: {json.dumps(choice)[:200]}")
    refused = reason == "content_filter" or bool(message.get("refusal"))
    return Written(message.get("content") or "", cut=reason == "length", refused=refused)


def _first(choice: Mapping[str, Any] | None, choices: Sequence[str]) -> list[float | None]:
    """Log-probability of each choice among the alternatives of the first token; without blanks where none is exact."""
    if choice is None or choice.get("finish_reason") == "content_filter":
        return [None] * len(choices)
    content = at(choice, "logprobs.content")
    if not isinstance(content, list) or not content:
        raise ContractError("openai: the service tells no log-probabilities; use a ranker that reads what is written")
    sums: dict[str, float] = {}
    for each in content[0].get("top_logprobs") or []:
        token, value = each.get("token"), each.get("logprob")
        if not isinstance(token, str) or not _number(value):
            raise ContractError(f"openai: {each!r} is no token with its log-probability")
        name = token if token in choices else token.strip()
        sums[name] = sums.get(name, 0.0) + exp(value)
    return [log(sums[name]) if sums.get(name) else None for name in choices]


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
