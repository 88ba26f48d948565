"""Cross-encoders in ONNX files score as the model they were made of, and their card says what they are."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from robustrank.auditing import planned
from robustrank.config import audit_file
from robustrank.core.errors import ContractError, PluginError
from robustrank.core.types import Document, Query
from robustrank.rankers.cross_encoder import PROBES, CrossEncoder
from robustrank.rankers.models import weights
from robustrank.testing import check_ranker
from robustrank.work.workbench import Workbench

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
"""Of torch's exporter."""

QUERY = Query("q", "what is the capital of france")
DOCS = [
    Document("1", "Paris is the capital and largest city of France."),
    Document("2", "Bananas, unquestionably, are yellow. " * 20),
    Document("3", "Lyon"),
    Document("4", ""),
]
BESIDE = ("config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")
Made = Callable[[str], Path]


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """robustrank-tiny as an export has it: config.json, the tokenizer's files, model.onnx, no safetensors."""
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    source, folder = Path(weights.resolve("robustrank-tiny")), tmp_path_factory.mktemp("onnx") / "tiny"
    folder.mkdir()
    for name in BESIDE:
        if (source / name).is_file():
            shutil.copy(source / name, folder)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(source, attn_implementation="eager").eval()

    class Logits(torch.nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.inner = model

        def forward(self, input_ids: Any, attention_mask: Any, token_type_ids: Any) -> Any:
            return self.inner(input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids).logits

    names = ["input_ids", "attention_mask", "token_type_ids"]
    torch.onnx.export(
        Logits(), tuple(torch.ones(2, 8, dtype=torch.long) for _ in names), str(folder / "model.onnx"),
        input_names=names, output_names=["logits"], dynamo=True, verbose=False, external_data=False, optimize=False,
        dynamic_axes={name: {0: "batch", 1: "pieces"} for name in names} | {"logits": {0: "batch"}},
    )  # fmt: skip
    return folder


@pytest.fixture
def made(exported: Path, tmp_path: Path) -> Made:
    """A copy of it under a name."""
    return lambda name: Path(shutil.copytree(exported, tmp_path / name))


def scores(folder: Path, docs: Sequence[Document] = DOCS, **options: Any) -> list[float]:
    return CrossEncoder(model=str(folder), **options).score(QUERY, docs)


def test_a_float_export_scores_as_the_model_it_was_made_of(made: Made) -> None:
    ranker = CrossEncoder(model=str(made("float")), max_length=256)
    theirs = CrossEncoder(model="robustrank-tiny").score(QUERY, DOCS)
    assert ranker.score(QUERY, DOCS) == pytest.approx(theirs, abs=1e-4)
    assert ranker.card.note.startswith("float32 in ONNX Runtime (model.onnx), in batches")
    check_ranker(ranker, QUERY, DOCS)


def test_a_dynamically_quantised_export_is_scored_pair_by_pair(made: Made) -> None:
    from onnxruntime.quantization import quantize_dynamic

    folder = made("int8")
    quantize_dynamic(folder / "model.onnx", folder / "small.onnx")
    (folder / "model.onnx").unlink()
    ranker = CrossEncoder(model=str(folder))
    assert ranker.card.note.startswith("int8, quantised dynamically, in ONNX Runtime (small.onnx), pairs scored one by")
    check_ranker(ranker, QUERY, DOCS)  # a document alone scores as in its list
    assert ranker.score(QUERY, DOCS) == pytest.approx(scores(made("float")), abs=1.0)
    assert ranker.card.fingerprint != CrossEncoder(model=str(made("float again"))).card.fingerprint


def test_length_and_prompt_of_the_folder_are_honoured_and_can_be_overridden(made: Made) -> None:
    folder = made("with a prompt")
    settings = {"prompts": {"ask": "bananas: "}, "default_prompt_name": "ask", "model_type": "CrossEncoder"}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(settings))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 24}))
    ranker = CrossEncoder(model=str(folder))
    assert ranker.card.max_length == 24
    asked = CrossEncoder(model="robustrank-tiny", max_length=24).score(Query("q", f"bananas: {QUERY.text}"), DOCS)
    assert ranker.score(QUERY, DOCS) == pytest.approx(asked, abs=1e-4)
    plain = CrossEncoder(model="robustrank-tiny", max_length=64).score(QUERY, DOCS)
    assert scores(folder, prompt="", max_length=64) == pytest.approx(plain, abs=1e-4)
    with pytest.raises(PluginError, match="max_length 9999 exceeds"):
        scores(folder, max_length=9999)


def test_a_torch_model_beside_the_file_lends_gradients_only_where_it_scores_alike(made: Made) -> None:
    folder = made("twins")
    shutil.copy(Path(weights.resolve("robustrank-tiny")) / "model.safetensors", folder)
    ranker, text = CrossEncoder(model=str(folder), file="model.onnx", max_length=256), Document("d", "a city in france")
    assert "gradients of the torch model" in ranker.card.note
    theirs = CrossEncoder(model="robustrank-tiny").gradients(QUERY, text, {1: ["town"]})
    assert ranker.gradients(QUERY, text, {1: ["town"]}).gains[1] == pytest.approx(theirs.gains[1], rel=1e-3)
    # Without `file` the safetensors are what is deployed.
    assert "ONNX" not in CrossEncoder(model=str(folder)).card.note

    from safetensors.torch import load_file, save_file

    other = made("other weights")
    tensors = load_file(folder / "model.safetensors")
    save_file({k: v * 1.1 for k, v in tensors.items()}, other / "model.safetensors", metadata={"format": "pt"})
    stranger = CrossEncoder(model=str(other), file="model.onnx")
    assert "scores otherwise" in stranger.card.note
    assert not stranger.card.gradients
    with pytest.raises(ContractError, match="lends no gradients"):
        stranger.gradients(QUERY, text, {})


def test_the_plan_says_that_an_export_lends_no_gradients(made: Made, tmp_path: Path) -> None:
    ranker = CrossEncoder(model=str(made("float")))
    assert not ranker.card.gradients
    check_ranker(ranker, QUERY, DOCS)
    spec = audit_file.parse(PLAN.format(folder=made("attacked")), folder=tmp_path)
    assert any("needs gradients, which 'deployed' does not provide" in note for note in planned.notes(Workbench(spec)))


PLAN = """
name = "onnx"
measures = ["nDCG@10"]
[[collection]]
name = "home"
use = "scifact"
queries = 2
depth = 3
[[ranker]]
name = "deployed"
use = "cross_encoder"
model = "{folder}"
[[attack]]
name = "words"
use = "word_substitution"
access = "weights"
"""


def test_several_files_must_be_told_apart(made: Made) -> None:
    folder = made("several")
    (folder / "onnx").mkdir()
    shutil.copy(folder / "model.onnx", folder / "onnx" / "model_O2.onnx")
    with pytest.raises(PluginError, match=r'several ONNX files.*file = "model.onnx"'):
        scores(folder)
    assert scores(folder, file="onnx/model_O2.onnx") == scores(folder, file="model.onnx")
    with pytest.raises(PluginError, match=r"no ONNX file '../x.onnx' \(it has model.onnx, onnx/model_O2.onnx\)"):
        scores(folder, file="../x.onnx")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("text", "not an ONNX file|not a model that ONNX Runtime can load"),
        ("output", "no output 'logits'"),
        ("input", "an input 'pixel_values', which is not known"),
        ("tokenizer", "has no tokenizer.json"),
        ("setting", "has no_such_setting, which is not known to be honoured"),
    ],
)
def test_what_cannot_be_scored_as_deployed_is_refused(made: Made, damage: str, message: str) -> None:
    import onnx

    folder = made(damage)
    file = folder / "model.onnx"
    if damage == "text":
        file.write_text("version https://git-lfs.github.com/spec/v1")
    elif damage == "tokenizer":
        (folder / "tokenizer.json").unlink()
    elif damage == "setting":
        (folder / "config_sentence_transformers.json").write_text('{"no_such_setting": 1}')
    else:
        model = onnx.load(str(file))
        old, new = {"output": ("logits", "last_hidden_state"), "input": ("token_type_ids", "pixel_values")}[damage]
        for node in model.graph.node:
            node.input[:] = [new if name == old else name for name in node.input]
            node.output[:] = [new if name == old else name for name in node.output]
        for each in (*model.graph.input, *model.graph.output):
            each.name = new if each.name == old else each.name
        onnx.save(model, str(file))
    with pytest.raises(PluginError, match=message):
        scores(folder)


def test_scores_do_not_depend_on_the_batch(made: Made) -> None:
    docs = [Document(str(n), text) for n, (_, text) in enumerate(PROBES)] + DOCS
    folder = made("batches")
    assert scores(folder, docs, batch=1) == pytest.approx(scores(folder, docs, batch=8), abs=1e-4)


def test_scores_that_are_no_numbers_agree_with_nothing(made: Made) -> None:
    backend: Any = CrossEncoder(model=str(made("not a number")))._backend
    assert backend._near([0.0, 1.0], [0.0, 1.0])
    for wrong in ([0.0, float("nan")], [float("nan"), 1.0]):
        assert not backend._near([0.0, 1.0], wrong)
        assert not backend._near(wrong, wrong)
