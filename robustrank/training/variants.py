"""Variants of one ranker: a file says what is trained or taken, and which audit all of them go through."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from robustrank.config import audit_file
from robustrank.config.specs import AuditSpec, behind
from robustrank.config.tables import check_name, key, read, read_as, toml
from robustrank.config.writing import as_toml
from robustrank.core.errors import ConfigError
from robustrank.core.progress import Progress
from robustrank.rankers.cross_encoder import BUNDLED_LENGTH
from robustrank.rankers.models.weights import BUNDLED
from robustrank.storage import files
from robustrank.training import distill
from robustrank.training.card import FILE

ABOUT_RANKERS = ("defense", "attack", "variation")
"""Tables of an audit that may name the rankers which they are about."""
WITHOUT_LEARNING = ("name", "compress")
"""Keys of a stage that a variant without training keeps."""


@dataclass(frozen=True, kw_only=True)
class VariantSpec:
    """One ``[[variant]]``: what of the training file is other for it.

    Args:
        name: Name in reports.
        seeds: Seeds of its trainings; default those of the file.
        student: Keys of ``[student]`` that are added or changed.
        stage: Tables and keys that are added to, or changed in, the last stage of the training file.
        merge: Its ``[[merge]]`` tables, in place of those of the training file.
        learns: Without, there is one seed, and the last stage only compresses (``stage.compress``): of the training
            file, else of the parent as it is.
        training: Another training file.
        model: A trained model's folder, taken as it is.
    """

    name: str
    seeds: tuple[int, ...] = ()
    student: Mapping[str, Any] = field(default_factory=dict)
    stage: Mapping[str, Any] = field(default_factory=dict)
    merge: tuple[Mapping[str, Any], ...] = ()
    learns: bool = True
    training: str | None = None
    model: str | None = None


@dataclass(frozen=True, kw_only=True)
class VariantsSpec:
    """A whole file of variants.

    Args:
        name: Of the audit.
        audit: The audit file that all go through.
        parent: Its ranker that the variants are made from: a cross-encoder.
        training: The training file that variants change.
        seeds: Seeds of every training.
        variants: The variants.
    """

    name: str
    audit: str
    parent: str
    training: str | None = None
    seeds: tuple[int, ...] = (13,)
    variants: tuple[VariantSpec, ...] = key("variant")


@dataclass(frozen=True, kw_only=True)
class Planned:
    """One model.

    Args:
        ranker: Its name in the audit.
        variant: The variant that it is a seed of.
        tables: Its training file; ``None`` where the model is taken as it is.
        model: Its folder.
    """

    ranker: str
    variant: str
    tables: Mapping[str, Any] | None
    model: Path


def load(path: Path | str) -> VariantsSpec:
    """Read a file of variants.

    Raises:
        ConfigError: No such file, not TOML, an unknown key, or variants that cannot be made from it.
    """
    where = str(path)
    spec = read_as(VariantsSpec, toml(read(path, "file of variants"), where), where)
    names = [variant.name for variant in spec.variants]
    if not names or len(set(names)) < len(names):
        raise ConfigError(f"{where}: needs at least one [[variant]], each with a name of its own")
    for variant in spec.variants:
        place = f"{where}: [[variant]] {variant.name!r}"
        if variant.model is not None and (variant.stage or variant.student or variant.training or variant.merge):
            raise ConfigError(f"{place}: a model that is taken as it is has no training; leave out the other keys")
        if variant.model is None and variant.learns and not (variant.training or spec.training):
            raise ConfigError(f"{place}: needs a training file, or a model, or learns = false")
        if not variant.learns and "compress" not in variant.stage:
            raise ConfigError(f"{place}: without training there is nothing to do but [variant.stage.compress]")
    return spec


def plan(spec: VariantsSpec, folder: Path, models: Path) -> list[Planned]:
    """Every model of a file of variants.

    Args:
        spec: The file.
        folder: Its folder, which its paths are relative to.
        models: Folder of trained models.
    """
    planned, models = [], models.resolve()
    for variant in spec.variants:
        if variant.model is not None:
            planned.append(
                Planned(
                    ranker=variant.name, variant=variant.name, tables=None, model=(folder / variant.model).resolve()
                )
            )
            continue
        seeds = variant.seeds or (spec.seeds if variant.learns else spec.seeds[:1])
        for seed in seeds:
            name = variant.name if len(seeds) == 1 else f"{variant.name}, seed {seed}"
            tables = _training(spec, variant, folder, seed, model_name(name))
            planned.append(
                Planned(ranker=name, variant=variant.name, tables=tables, model=models / str(tables["name"]))
            )
    return planned


def model_name(ranker: str) -> str:
    """A folder name for a ranker's name."""
    kept = "".join(c if c.isalnum() else "-" for c in ranker.lower())
    return "-".join(part for part in kept.split("-") if part)


def _training(spec: VariantsSpec, variant: VariantSpec, folder: Path, seed: int, name: str) -> dict[str, Any]:
    """A variant's training file; paths are absolute."""
    named = variant.training or spec.training
    file = (folder / (named or spec.audit)).resolve()
    tables = toml(read(file, "training file"), str(file)) if named else _bare(_parent(spec, folder)[1])
    stages = [dict(stage) for stage in tables.get("stage", ())]
    if not stages:
        raise ConfigError(f"{file}: needs at least one [[stage]]")
    if not variant.learns:
        stages[-1] = {k: value for k, value in stages[-1].items() if k in WITHOUT_LEARNING}
    stages[-1] = {**stages[-1], **variant.stage}
    merged = {"merge": [dict(each) for each in variant.merge]} if variant.merge else {}
    body = {
        **tables, "name": name, "seed": seed, "student": {**tables.get("student", {}), **variant.student},
        "stage": stages, **merged,
    }  # fmt: skip
    placed: dict[str, Any] = _absolute(body, file.parent)
    return placed


def _bare(parent: Mapping[str, Any]) -> dict[str, Any]:
    """The training file of a variant that only compresses its parent, a ranker of the audit.

    Raises:
        ConfigError: The parent is no cross-encoder.
    """
    if parent.get("use") != "cross_encoder":
        raise ConfigError(
            f"a variant that is only compressed needs a parent with use = 'cross_encoder', not {parent.get('use')!r}; "
            "compress it yourself and give the `model` of the variant"
        )
    student = {name: parent[name] for name in ("model", "max_length") if name in parent}
    return {"student": student, "stage": [{"name": "compress"}]}


def _absolute(value: Any, folder: Path) -> Any:
    """Tables with absolute paths: values that begin with a dot, folders of data, and exclusions."""
    if isinstance(value, Mapping):
        return {
            name: str((folder / each).resolve())
            if name in ("path", "examples") and isinstance(each, str)
            else [str((folder / one).resolve()) for one in each]
            if name == "exclude"
            else _absolute(each, folder)
            for name, each in value.items()
        }
    if isinstance(value, list | tuple):
        return [_absolute(each, folder) for each in value]
    return str((folder / value).resolve()) if isinstance(value, str) and value.startswith(("./", "../")) else value


def train(planned: Sequence[Planned], models: Path, progress: Progress) -> None:
    """Train every model that is not there; a stopped training resumes, and one whose file is another begins anew."""
    for each in planned:
        if each.tables is None:
            continue
        text = as_toml(each.tables)
        if (each.model / FILE).is_file() and files.read_text(each.model / "training.toml") == text:
            continue
        file = models / f"{each.model.name}.toml"
        models.mkdir(parents=True, exist_ok=True)
        files.replace(file, text)
        distill.run(file, models, progress)


def audit_spec(spec: VariantsSpec, folder: Path, planned: Sequence[Planned]) -> AuditSpec:
    """The audit of the parent and all its variants.

    Raises:
        ConfigError: The parent is no ranker of the audit, or none that loads a model's folder.
    """
    tables, parent = _parent(spec, folder)
    file = folder / spec.audit
    rankers = [dict(table) for table in tables.get("ranker", ())]
    if parent.get("use") == "cross_encoder" and parent["model"] in BUNDLED:
        # By default it reads fewer word pieces than a folder of the same weights.
        parent = {"max_length": BUNDLED_LENGTH, **parent}
    for each in planned:
        card = _card(each)
        variant = {"parent": spec.parent, "name": each.variant, **card}
        rankers.append({**parent, "name": each.ranker, "model": str(each.model), "variant": variant, "audited": False})
    names = [each.ranker for each in planned]
    also = {spec.parent: names}
    for defense in (str(table.get("name", table.get("use"))) for table in _each(tables.get("defense"))):
        also[behind(defense, spec.parent)] = [behind(defense, name) for name in names]
    about: dict[str, Any] = {
        kind: [_about_all(table, also) for table in tables[kind]] for kind in ABOUT_RANKERS if _each(tables.get(kind))
    }
    corpus = tables.get("corpus")
    if isinstance(corpus, Mapping) and _each(corpus.get("attack")):
        about["corpus"] = {**corpus, "attack": [_about_all(table, also) for table in corpus["attack"]]}
    text = as_toml({**tables, **about, "name": spec.name, "ranker": rankers})
    return audit_file.parse(text, where=str(file), folder=file.parent)


def _each(tables: Any) -> Sequence[Mapping[str, Any]]:
    """The tables of an array; none of what is no array, which reading the audit refuses."""
    return tables if isinstance(tables, list) and all(isinstance(each, Mapping) for each in tables) else ()


def _about_all(table: Mapping[str, Any], also: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """A table that names the parent, with its variants beside it: what is done to it is done to them."""
    if not isinstance(table.get("rankers"), list):
        return dict(table)
    return {**table, "rankers": [name for one in table["rankers"] for name in (one, *also.get(one, ()))]}


def _parent(spec: VariantsSpec, folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The audit file, and in it the table of the ranker that is the parent."""
    file = folder / spec.audit
    tables = toml(read(file, "audit file"), str(file))
    by_name = {str(table.get("name", table.get("use"))): dict(table) for table in tables.get("ranker", ())}
    check_name(spec.parent, list(by_name), f"{file}: parent")
    if "model" not in by_name[spec.parent]:
        raise ConfigError(
            f"{file}: [[ranker]] {spec.parent!r} names no model, so a variant of it cannot take its place"
        )
    return tables, by_name[spec.parent]


def _card(each: Planned) -> dict[str, Any]:
    path = each.model / FILE
    if not path.is_file():
        return {}
    body = json.loads(files.read_text(path))
    trained = max((int(stage["trained"]) for stage in body["stages"]), default=0)
    return {"trained": trained, "stored_bytes": int(body["stored_bytes"]), "zeros": float(body["zeros"])}
