"""Decoder-only language models of transformers on this machine, in safetensors or GGUF; code of a model never runs.

Every prompt is computed alone, so that no answer depends on what else is asked; what prompts of one call share up to
the document that they show last is computed once.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property, lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from robustrank.core import usage
from robustrank.core.errors import ContractError, PluginError
from robustrank.rankers.llm.backends import model_files
from robustrank.rankers.llm.backends.rendering import KEEP, TEXT, Encoded, Renderer
from robustrank.rankers.llm.interface import Ability, ModelCard, Prompt, Written
from robustrank.rankers.models import torch_models

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_WHAT = "language model"


@dataclass(frozen=True, kw_only=True)
class TransformersModel:
    """A decoder-only model of transformers on this machine, read greedily.

    Args:
        model: ``"SmolLM2-135M-Instruct"`` and ``"gemma-3-270m"`` (a base model, under Gemma's terms) come inside
            packages; else a GGUF file, a local folder or a hub id.
        chat: Use the model's chat template, where it has one.
        special: ``"text"``: what looks like a special token in a document or query is ordinary text; ``"keep"``: it
            is a special token, as most deployments have it.
        dtype: ``"float32"``, ``"bfloat16"`` or ``"float16"``.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ...
    """

    model: str = "SmolLM2-135M-Instruct"
    chat: bool = True
    special: str = TEXT
    dtype: str = "float32"
    device: str = "auto"

    def __post_init__(self) -> None:
        if self.special not in (KEEP, TEXT):
            raise PluginError(f"transformers: special is {KEEP!r} or {TEXT!r}, not {self.special!r}")
        if self.dtype not in model_files.DTYPES:
            raise PluginError(f"transformers: dtype is one of {', '.join(model_files.DTYPES)}, not {self.dtype!r}")

    @cached_property
    def card(self) -> ModelCard:
        """Reads the model's files, without loading it."""
        folder = model_files.folder(self.model, _WHAT)
        longest = int(folder.config.get("max_position_embeddings") or 0)
        parameters = (folder.fingerprint(), self.chat, self.special, self.dtype)
        return ModelCard(
            name=self.model.rstrip("/").rpartition("/")[2],
            fingerprint=sha256(repr(parameters).encode()).hexdigest()[:16],
            can=frozenset(Ability),
            context=longest or None,
            note=f"{self.dtype}, greedy; special tokens in documents are "
            + ("ordinary text" if self.special == TEXT else "special tokens")
            + "; choices of several tokens are scored by the sum over them",
        )

    def generate(self, prompts: Sequence[Prompt], /, *, tokens: int, stop: Sequence[str] = ()) -> list[Written]:
        """Greedy, until the model ends its answer, a text of ``stop``, or the limit.

        Raises:
            ContractError: A prompt and its answer do not fit the model.
        """
        return [self._engine.generate(self._engine.renderer.encode(prompt), tokens, stop) for prompt in prompts]

    def options(self, prompts: Sequence[Prompt], choices: Sequence[str], /) -> list[list[float | None]]:
        """Log-probability of each choice, over all its tokens where it has several."""
        engine = self._engine
        encoded = [engine.renderer.encode(prompt) for prompt in prompts]
        continuations = [
            [engine.renderer.continued(prompt, base, choice) for choice in choices]
            for prompt, base in zip(prompts, encoded, strict=True)
        ]
        return [list(row) for row in engine.continued(encoded, continuations)]

    def loglik(self, prompts: Sequence[Prompt], continuations: Sequence[str], /) -> list[tuple[float, int]]:
        """Sum of log-probabilities and number of tokens; equal prompts are computed once."""
        engine = self._engine
        encoded = [engine.renderer.encode(prompt) for prompt in prompts]
        tokens = [
            engine.renderer.continued(prompt, base, text)
            for prompt, base, text in zip(prompts, encoded, continuations, strict=True)
        ]
        wanted: dict[tuple[int, ...], list[int]] = {}
        for number, base in enumerate(encoded):
            wanted.setdefault(tuple(base.ids), []).append(number)
        groups = list(wanted.values())
        rows = engine.continued([encoded[each[0]] for each in groups], [[tokens[n] for n in each] for each in groups])
        sums: dict[int, float] = {}
        for each, row in zip(groups, rows, strict=True):
            sums |= zip(each, row, strict=True)
        return [(sums[number], len(tokens[number])) for number in range(len(prompts))]

    def attend(self, prompt: Prompt, endings: Sequence[Prompt], /) -> list[list[NDArray[np.float64]]]:
        """As the interface has it, of the layers that see the whole prompt; the prompt is computed once."""
        engine = self._engine
        parts = [engine.renderer.encode_parts(prompt, ending) for ending in endings]
        return engine.attend(parts[0][0], [ending for _, ending in parts]) if parts else []

    @property
    def _engine(self) -> Engine:
        return _engine(self.model, self.dtype, self.device, self.chat, self.special)


@lru_cache(maxsize=2)
def _engine(model: str, dtype: str, device: str, chat: bool, special: str) -> Engine:
    loaded = model_files.load(model, _WHAT, dtype, device)
    return Engine(loaded, Renderer(loaded.tokenizer, chat, special))


class Engine:
    """Computes with a loaded model.

    Args:
        loaded: Model and tokenizer.
        renderer: Of its prompts.
    """

    def __init__(self, loaded: model_files.Loaded, renderer: Renderer) -> None:
        self.model, self.renderer, self._lock = loaded.model, renderer, loaded.lock
        self._longest = torch_models.longest(self.model.config)
        parameters = inspect.signature(self.model.forward).parameters
        self._keeps = "logits_to_keep" in parameters
        self._cache = "cache" if "cache" in parameters else "past_key_values"  # by the version of transformers

    def generate(self, prompt: Encoded, tokens: int, stop: Sequence[str]) -> Written:
        """What is written after one prompt."""
        import torch

        self._fits(len(prompt.ids) + tokens)
        tokenizer = self.renderer.tokenizer
        ends = {tokenizer.eos_token_id, *_listed(self.model.generation_config.eos_token_id)}
        written: list[int] = []
        text, cut = "", True
        with self._lock, torch.inference_mode():
            cache = self._empty()
            logits = self._forward(prompt.ids, cache, 1)
            while len(written) < tokens:
                token = int(logits[-1].argmax())
                if token in ends:
                    cut = False
                    break
                written.append(token)
                text = tokenizer.decode(written, skip_special_tokens=True)
                if any(each in text for each in stop):
                    text, cut = min((text.partition(each)[0] for each in stop), key=len), False
                    break
                if len(written) < tokens:
                    logits = self._forward([token], cache, 1)
        usage.count(calls=1, tokens_in=1 - max(1, len(written)), tokens_out=len(written))  # what it wrote, it reads
        return Written(text, cut)

    def continued(
        self, prompts: Sequence[Encoded], continuations: Sequence[Sequence[Sequence[int]]]
    ) -> list[list[float]]:
        """Log-probability of each continuation of each prompt; beginnings that prompts share are computed once."""
        import torch

        rows: dict[int, list[float]] = {}
        starts: dict[tuple[int, ...], list[int]] = {}
        for number, prompt in enumerate(prompts):
            starts.setdefault(tuple(prompt.ids[: prompt.last]), []).append(number)
        with self._lock, torch.inference_mode():
            for start, numbers in starts.items():
                shared = self._empty()
                if start:
                    self._forward(start, shared, 1)
                for number in numbers:
                    prompt = prompts[number]
                    usage.count(calls=1)
                    self._fits(len(prompt.ids) + max(map(len, continuations[number]), default=0))
                    cache = deepcopy(shared)
                    logits = self._forward(prompt.ids[len(start) :], cache, 1)
                    rows[number] = [self._sum(logits, cache, tokens) for tokens in continuations[number]]
        return [rows[number] for number in range(len(prompts))]

    def attend(self, prompt: Encoded, endings: Sequence[Encoded]) -> list[list[NDArray[np.float64]]]:
        """Attention of each ending to the tokens of each document of the prompt."""
        import torch

        self._fits(len(prompt.ids) + max(len(ending.ids) for ending in endings))
        usage.count(calls=1)
        count = 1 + max((number for number in prompt.documents if number is not None), default=-1)
        places = [[at for at, number in enumerate(prompt.documents) if number == each] for each in range(count)]
        with self._lock, torch.inference_mode():
            usual = self.model.config._attn_implementation
            cache = self._empty()
            self._forward(prompt.ids, cache, 1)
            try:
                self.model.set_attn_implementation("eager")
                rows = [self._row(ending.ids, deepcopy(cache), len(prompt.ids)) for ending in endings]
            finally:
                self.model.set_attn_implementation(usual)
        return [[row[at] for at in places] for row in rows]

    def _row(self, ending: Sequence[int], cache: Any, width: int) -> NDArray[np.float64]:
        """Attention to every token of the prompt, summed over layers and heads, averaged over the ending."""
        import torch

        out = self._call(ending, cache, 1, output_attentions=True)
        layers = [
            layer[0, :, :, :width].double().sum(0).mean(0)
            for number, layer in enumerate(out.attentions)
            if layer is not None and self._sees(number, width + len(ending))
        ]
        if not layers:
            raise ContractError(f"{_WHAT}: no layer of it sees all of a prompt of {width} tokens; show fewer documents")
        total: NDArray[np.float64] = torch.stack(layers).sum(0).cpu().numpy()
        return total

    def _sees(self, layer: int, length: int) -> bool:
        config = self.model.config.get_text_config()
        kinds = getattr(config, "layer_types", None)
        sliding = kinds is not None and kinds[layer] != "full_attention"
        return not sliding or length <= (getattr(config, "sliding_window", None) or 0)

    def _sum(self, logits: Any, cache: Any, tokens: Sequence[int]) -> float:
        """Log-probability of tokens after a prompt, of its last logits and its cache."""
        import torch

        if not tokens:
            return 0.0
        if len(tokens) > 1:
            logits = torch.cat([logits, self._forward(tokens[:-1], deepcopy(cache), len(tokens) - 1)])
        chosen = torch.tensor(tokens, device=logits.device)[:, None]
        return float(logits.double().log_softmax(-1).gather(1, chosen).sum())

    def _empty(self) -> Any:
        from transformers import DynamicCache

        return DynamicCache(config=self.model.config)

    def _forward(self, tokens: Sequence[int], cache: Any, keep: int) -> Any:
        """Logits of the last ``keep`` tokens, which the cache then holds."""
        return self._call(tokens, cache, keep).logits[0, -keep:].float()

    def _call(self, tokens: Sequence[int], cache: Any, keep: int, **more: Any) -> Any:
        import torch

        if not tokens:
            raise ContractError(f"{_WHAT}: an empty prompt")
        usage.count(passes=1, tokens_in=len(tokens))
        kept = {"logits_to_keep": keep} if self._keeps else {}
        ids = torch.tensor([list(tokens)], device=self.model.device)
        return self.model(input_ids=ids, use_cache=True, **{self._cache: cache}, **kept, **more)

    def _fits(self, length: int) -> None:
        if length > self._longest:
            raise ContractError(
                f"{_WHAT}: prompt and answer have {length} tokens, it reads {self._longest}; show fewer or shorter "
                "documents (window, passage_words)"
            )


def _listed(value: Any) -> list[int]:
    return value if isinstance(value, list) else [] if value is None else [value]
