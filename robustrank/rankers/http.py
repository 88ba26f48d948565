"""A re-rank service behind HTTP, as it is deployed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from typing import Any, Literal
from urllib.parse import quote

from robustrank.core.errors import ContractError, PluginError
from robustrank.core.types import Document, Query, RankerCard
from robustrank.core.usage import Usage
from robustrank.rankers.services import formats
from robustrank.rankers.services.client import Client, Limits, ServiceError, check_address, lost, shared, together
from robustrank.rankers.services.formats import Format


@dataclass(frozen=True, kw_only=True)
class HttpRanker:
    """A re-rank service, asked as its clients ask it.

    Calls run at the same time up to ``in_flight``, are repeated where the service is busy or fails, and counted. An
    answer that does not have one finite score for every document is an error, never a score.

    Args:
        url: Address of the service, ``"http://host:port"`` or ``"https://..."``.
        format: Name of the service's format: ``cohere``, ``cohere_v1``, ``jina``, ``voyage``, ``mixedbread``, ``tei``,
            ``vllm``, ``vllm_score``, ``openai_score``, ``infinity``, ``llamacpp``, ``elastic``.
        shape: Differences from that format, or without one the whole of it: ``path`` of the address, names of the
            request's fields ``query``, ``documents``, ``top`` and ``model``, ``results``, the path of the list of
            results in the answer (keys joined by dots), and the keys ``index`` and ``score`` of a result (``index =
            ""``: results come in the order asked; ``score = ""``: a result is the number itself).
        model: Name of the model, where the service has several.
        key_env: Environment variable that holds the key. The key stands in no record, error or report.
        version: Of what runs behind the address; with it, the address is no part of the ranker's identity.
        parameters: Further request fields.
        too_long: ``"refuse"`` asks the service to refuse texts that are too long for it, ``"cut"`` to cut them;
            services without such a choice do what their format's note says.
        pointwise: Set ``false`` where a document's score depends on the others of the call: its lists are never split.
        deterministic: Set ``false`` where the same call may give other scores.
        limit: Documents of one call; by default what the format's service takes.
        in_flight: Calls at one time.
        per_minute: Calls a minute.
        timeout: Seconds without a byte of the answer.
        deadline: Seconds of a call, with its retries.
        attempts: Requests of one call at most.
        insecure: Allow plain HTTP to hosts that are not local.
    """

    url: str
    format: str = ""
    shape: Mapping[str, str] = field(default_factory=dict)
    model: str = ""
    key_env: str = ""
    version: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    too_long: Literal["refuse", "cut"] = "refuse"
    pointwise: bool = True
    deterministic: bool = True
    limit: int | None = None
    in_flight: int = 4
    per_minute: int | None = None
    timeout: float = 60.0
    deadline: float = 120.0
    attempts: int = 6
    insecure: bool = False

    def __post_init__(self) -> None:
        if self.too_long not in ("refuse", "cut"):
            raise PluginError(f'http: too_long is "refuse" or "cut", not {self.too_long!r}')
        for name in ("limit", "in_flight", "per_minute", "timeout", "deadline", "attempts"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise PluginError(f"http: {name} must be positive, not {value}")
        check_address(self.url, insecure=self.insecure)
        fixed = {self._format.query, self._format.documents, self._format.top, self._format.model} & {*self.parameters}
        if fixed:
            raise PluginError(f"http: parameters must not set {', '.join(sorted(fixed))}; the audit does")

    @property
    def card(self) -> RankerCard:
        """What is sent is the identity, with the version where one is given, else with the address."""
        sent = [asdict(self._format), self.model, dict(self.parameters), self.too_long, self.version or self.url]
        note = "the service's weights cannot be seen; set `version` where you know what runs"
        return RankerCard(
            name=f"http({self.format or 'own format'}{': ' + self.model if self.model else ''})",
            fingerprint=sha256(json.dumps(sent, sort_keys=True).encode()).hexdigest()[:16],
            pointwise=self.pointwise and not self._format.listwise,
            deterministic=self.deterministic,
            note="; ".join(part for part in (self._format.note, note) if part),
            can_change=True,
        )

    @property
    def usage(self) -> Usage:
        """What the calls of this process cost so far."""
        return replace(self._client.usage)

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        """The service's scores. Equal texts are asked once where the service scores each text alone.

        Raises:
            ServiceError: It refused a text, or did not answer; nothing of the list is scored then.
            ContractError: Its answer does not have one finite score for every document, or a list is longer than what
                the service takes at once and must not be split.
        """
        if not docs:
            return []
        texts = [doc.text for doc in docs]
        if not self.card.pointwise:
            if len(texts) > self._limit:
                raise ContractError(
                    f"http: a list of {len(texts)} documents, `limit` is {self._limit}, and the service is list-wise"
                )
            return self._ask(query.text, texts)
        distinct = list(dict.fromkeys(texts))
        calls = [distinct[start : start + self._limit] for start in range(0, len(distinct), self._limit)]
        answers = together(lambda part: self._ask(query.text, part), calls, self.in_flight)
        scores = dict(zip(distinct, (score for part in answers for score in part), strict=True))
        return [scores[text] for text in texts]

    def _ask(self, query: str, texts: Sequence[str]) -> list[float]:
        with lost(self._client, len(texts)):
            body = self._format.request(query, texts, self.model, cut=self.too_long == "cut") | dict(self.parameters)
            try:
                answer = self._client.post(body)
            except ServiceError as error:
                if error.kind == "text" and len(texts) > 1 and self.card.pointwise:
                    raise ServiceError(f"{error} ({self._refused(query, texts)})", "text") from None
                raise
            try:
                scores = self._format.scores(answer, len(texts))
            except ContractError as error:
                raise ContractError(f"http: {self._format.name or 'the service'} answered {error}") from None
            self._client.count(billed=_number(formats.at(answer, self._format.billed)) if self._format.billed else 0)
            return scores

    def _refused(self, query: str, texts: Sequence[str]) -> str:
        """Which text of a refused call is the cause, found by halves."""
        while len(texts) > 1:
            half = texts[: len(texts) // 2]
            try:
                self._client.post(
                    self._format.request(query, half, self.model, cut=self.too_long == "cut") | dict(self.parameters)
                )
            except ServiceError as error:
                if error.kind != "text":
                    raise
                texts = half
            else:
                texts = texts[len(half) :]
        return f"the text of {len(texts[0])} characters that begins {texts[0][:40]!r}"

    @property
    def _format(self) -> Format:
        base = formats.named(self.format) if self.format else Format(name="", path="")
        return formats.changed(base, self.shape)

    @property
    def _limit(self) -> int:
        return self.limit or self._format.limit

    @property
    def _client(self) -> Client:
        limits = Limits(
            in_flight=self.in_flight, per_minute=self.per_minute, timeout=self.timeout, deadline=self.deadline,
            attempts=self.attempts,
        )  # fmt: skip
        address = self.url.rstrip("/") + self._format.path.replace("{model}", quote(self.model, safe=""))
        return shared(address, self.key_env, self._format.authorization, limits, self.insecure)


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
