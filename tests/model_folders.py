"""Small folders of every kind, made by the library that owns the format. The weights are random: shapes, not claims."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from robustrank.rankers.models import weights

SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}

BART = {
    "d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2, "decoder_attention_heads": 2,
    "encoder_ffn_dim": 32, "decoder_ffn_dim": 32, "bos_token_id": 101, "eos_token_id": 102, "scale_embedding": True,
    "decoder_start_token_id": 102, "forced_eos_token_id": 102,
}  # fmt: skip
MODERN = {"cls_token_id": 101, "sep_token_id": 102, "bos_token_id": 101, "eos_token_id": 102, **SIZES}

FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "bert": ("Bert", SIZES),
    "two labels": ("Bert", {**SIZES, "num_labels": 2}),
    "roberta": ("Roberta", {**SIZES, "max_position_embeddings": 514}),
    "distilbert": ("DistilBert", {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32}),
    "modernbert": ("ModernBert", MODERN),
    "bart": ("Bart", BART),
    "decoder, pad token in the tokenizer alone": (
        "Qwen2", {**SIZES, "num_key_value_heads": 2, "max_position_embeddings": 512, "pad_token_id": None}
    ),
}  # fmt: skip
"""Families of cross-encoders: class of transformers and its configuration."""

CAUSAL = {**SIZES, "num_key_value_heads": 2, "max_position_embeddings": 512, "vocab_size": 350, "eos_token_id": 0}
GEMMA = {**CAUSAL, "head_dim": 8, "sliding_window": 8, "layer_types": ["sliding_attention", "full_attention"]}
DECODERS: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("Llama", CAUSAL),
    "qwen2": ("Qwen2", CAUSAL),
    "gemma3": ("Gemma3", {**GEMMA, "query_pre_attn_scalar": 8}),
}
"""Families of decoder-only language models; Gemma 3 with a layer that sees 8 tokens."""

CHAT = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content | trim }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


class Maker:
    """Makes folders below one folder.

    Args:
        root: Where.
    """

    def __init__(self, root: Path) -> None:
        import transformers

        self.root, self.tf = root, transformers
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(str(weights.resolve("all-MiniLM-L6-v2")))

    def model(self, name: str, kind: str, config: str, **options: Any) -> Path:
        """A transformers model with a tokenizer; its weights do not depend on what was made before."""
        import torch

        torch.manual_seed(0)
        tokenizer = self._byte_level() if "Qwen2" in kind or kind.endswith("CausalLM") else self.tokenizer
        options = {"vocab_size": len(tokenizer), "pad_token_id": 0, **options}
        made = getattr(self.tf, kind)(getattr(self.tf, config)(**options))
        for parameter in made.parameters():
            parameter.data *= 5  # at its initial scale a random model hardly reacts to its input
        made.save_pretrained(self.root / name)
        tokenizer.save_pretrained(self.root / name)
        return self.root / name

    def _byte_level(self) -> Any:
        """A tokenizer as decoders have it, whose pieces begin with the blank in front of a word."""
        from tokenizers import ByteLevelBPETokenizer

        trained = ByteLevelBPETokenizer()
        texts = ["what is the capital of france", "alpha unquestionably gamma delta", "Bananas are yellow."] * 9
        trained.train_from_iterator(texts, vocab_size=340, special_tokens=["<|endoftext|>"], show_progress=False)
        return self.tf.PreTrainedTokenizerFast(
            tokenizer_object=trained._tokenizer,
            pad_token="<|endoftext|>",
            eos_token="<|endoftext|>",
            model_max_length=512,
        )

    def decoder(self, name: str, *, chat: bool = False) -> Path:
        """A decoder-only language model of the family of that name."""
        kind, options = DECODERS[name]
        config = f"{kind}TextConfig" if kind == "Gemma3" else f"{kind}Config"
        folder = self.model(f"{name} {chat}", f"{kind}ForCausalLM", config, **options)
        tokenizer = self._byte_level()
        tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
        if chat:
            tokenizer.chat_template = CHAT
        tokenizer.save_pretrained(folder)
        return folder

    def classifier(self, name: str, **options: Any) -> Path:
        """A BERT cross-encoder."""
        return self.model(name, "BertForSequenceClassification", "BertConfig", num_labels=1, **SIZES, **options)

    def cross(self, name: str) -> Path:
        """A cross-encoder of the family of that name."""
        if name in FAMILIES:
            kind, options = FAMILIES[name]
            return self.model(name, f"{kind}ForSequenceClassification", f"{kind}Config", **{"num_labels": 1, **options})
        if name == "half precision":
            folder = self.classifier(name)
            self.tf.AutoModelForSequenceClassification.from_pretrained(folder).half().save_pretrained(folder)
            return folder
        if name == "causal, yes or no":
            return self._causal(name)
        return self._with_settings(name) if name.startswith("saved") else self._adapter(name)

    def _causal(self, name: str) -> Path:
        """A decoder that scores by the logits of two words, with a chat template."""
        from sentence_transformers.base.modules import Transformer
        from sentence_transformers.cross_encoder.modules import LogitScore

        base = self.model("base of causal", "Qwen2ForCausalLM", "Qwen2Config", num_key_value_heads=2, **SIZES)
        tokenizer = self.tf.AutoTokenizer.from_pretrained(base)
        tokenizer.chat_template = "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}\n{% endfor %}"
        tokenizer.save_pretrained(base)
        yes, no = tokenizer.convert_tokens_to_ids(["a", "e"])
        modules = [Transformer(str(base), transformer_task="text-generation"), LogitScore(yes, no)]
        made = self._library("CrossEncoder")(modules=modules, device="cpu")
        made.save_pretrained(str(self.root / name), create_model_card=False)
        return self.root / name

    def _with_settings(self, name: str) -> Path:
        made = self._library("CrossEncoder")(
            str(self.classifier("base of settings")), prompts={"ask": "find: "}, default_prompt_name="ask", device="cpu"
        )
        made.max_seq_length = 24
        made.save_pretrained(str(self.root / name), create_model_card=False)
        return self.root / name

    def _adapter(self, name: str) -> Path:
        import peft

        base = self.classifier(f"base of {name}")
        made = peft.get_peft_model(
            self.tf.AutoModelForSequenceClassification.from_pretrained(base),
            peft.LoraConfig(r=4, target_modules=["query", "value"], task_type="SEQ_CLS", init_lora_weights=False),
        )
        made.save_pretrained(self.root / name)
        self.tokenizer.save_pretrained(self.root / name)
        if name != "adapter":
            shutil.copytree(base, self.root / name, dirs_exist_ok=True)
        return self.root / name

    def encoder(self) -> Path:
        """A bare BERT encoder."""
        folder = self.root / "encoder"
        return folder if folder.is_dir() else self.model("encoder", "BertModel", "BertConfig", **SIZES)

    def bi(self, name: str) -> Path:
        """A bi-encoder of that kind."""
        from sentence_transformers.base.modules import Dense, Router, Transformer
        from sentence_transformers.sentence_transformer.modules import Pooling, StaticEmbedding

        def tower(how: str = "mean", length: int | None = None) -> list[Any]:
            first = Transformer(str(self.encoder()))
            if length is not None:
                first.max_seq_length = length
            return [first, Pooling(16, pooling_mode=how)]

        kinds: dict[str, Callable[[], tuple[list[Any], dict[str, Any]]]] = {
            "mean": lambda: (tower(), {}),
            "prompts": lambda: (tower(), {"prompts": {"query": "query: ", "document": "text: "}}),
            "prompts of other names": lambda: (tower(), {"prompts": {"search_query": "q: "}}),
            "truncated": lambda: (tower(), {"truncate_dim": 4}),
            "dense, dot product": lambda: ([*tower("cls"), Dense(16, 8)], {"similarity_fn_name": "dot"}),
            "euclidean": lambda: (tower(), {"similarity_fn_name": "euclidean"}),
            "length 16": lambda: (tower(length=16), {}),
            "static": lambda: ([StaticEmbedding(self.tokenizer, embedding_dim=12)], {}),
            "router": lambda: ([Router.for_query_document(tower(), tower("cls"))], {}),
        }
        return self._saved("SentenceTransformer", name, *kinds[name]())

    def sparse(self, name: str) -> Path:
        """A sparse encoder of that kind."""
        from sentence_transformers.base.modules import Transformer
        from sentence_transformers.sparse_encoder.modules import SpladePooling

        options = {"max": {}, "sum": {"pooling_strategy": "sum"}, "log1p_relu": {"activation_function": "log1p_relu"}}[
            name
        ]
        masked = Transformer(str(self.masked()), transformer_task="fill-mask")
        return self._saved("SparseEncoder", name, [masked, SpladePooling(**options)], {})

    def masked(self) -> Path:
        """A bare masked language model."""
        return self.model("masked", "BertForMaskedLM", "BertConfig", **SIZES)

    def multi(self, name: str) -> Path:
        """A late-interaction model with markers."""
        from sentence_transformers.base.modules import Transformer

        options = {"prompts": {"query": "[Q] ", "document": "[D] "}}
        return self._saved("MultiVectorEncoder", name, [Transformer(str(self.encoder()))], options)

    def _library(self, kind: str) -> Any:
        import sentence_transformers

        return getattr(sentence_transformers, kind)

    def _saved(self, kind: str, name: str, modules: list[Any], options: dict[str, Any] | None = None) -> Path:
        folder = self.root / f"{kind} {name}"
        self._library(kind)(modules=modules, device="cpu", **(options or {})).save(str(folder), create_model_card=False)
        return folder


CROSS = (
    *FAMILIES, "saved with a length, a prompt and an activation", "half precision", "adapter",
    "adapter beside its base", "causal, yes or no",
)  # fmt: skip
BI = (
    "mean", "prompts", "prompts of other names", "truncated", "dense, dot product", "euclidean", "length 16", "static",
    "router",
)  # fmt: skip
SPARSE = ("max", "sum", "log1p_relu")
