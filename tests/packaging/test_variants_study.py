"""What the study of variants calls shown, how large it says a copy is, and which arms lie on its front."""

from __future__ import annotations

import importlib
import math
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from robustrank.core.types import Estimate

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def report(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("variants_report")


@pytest.fixture
def figures(report: ModuleType) -> ModuleType:
    return importlib.import_module("variants_figures")


def endpoint(value: float, low: float, high: float, p: float, seeds: list[float]) -> dict[str, Any]:
    return {"difference": {"estimate": [value, low, high, 300], "p_holm": p}, "seeds": seeds}


@pytest.mark.parametrize(
    ("found", "floor", "expected"),
    [
        (endpoint(0.25, 0.12, 0.38, 0.01, [0.24, 0.25, 0.26]), 0.02, "shown"),
        (endpoint(0.25, 0.12, 0.38, 0.05, [0.24, 0.25, 0.26]), 0.02, ""),
        (endpoint(0.25, 0.12, 0.38, 0.01, [-0.01, 0.25, 0.51]), 0.02, ""),
        (endpoint(0.25, 0.12, 0.38, 0.01, [0.24, 0.25, 0.26]), 0.26, ""),
        (endpoint(-0.25, -0.38, -0.12, 0.01, [-0.25]), 0.02, "shown"),
        (endpoint(-0.25, -0.38, -0.12, 0.01, [-0.25]), 0.26, ""),
    ],
    ids=["all three", "p", "a seed of another sign", "below the noise floor", "less", "less, below the noise floor"],
)
def test_a_difference_is_shown_with_p_the_sign_of_every_seed_and_a_size_above_the_noise_floor(
    report: ModuleType, found: dict[str, Any], floor: float, expected: str
) -> None:
    assert report.verdict(found, "lost targets on nfcorpus", {"lost targets on nfcorpus": floor}) == expected


@pytest.mark.parametrize(
    ("name", "inside", "outside"),
    [
        ("nDCG@10 on SciFact", 0.009, 0.011),
        ("robust nDCG@10", 0.009, 0.011),
        ("lost targets", 0.09, 0.11),
        ("substitution", 0.09, 0.11),
    ],
)
def test_no_change_matters_whose_interval_lies_within_the_limit_of_its_measure(
    report: ModuleType, name: str, inside: float, outside: float
) -> None:
    def found(low: float, high: float) -> str:
        verdict: str = report.verdict(endpoint(0.0, low, high, 1.0, [0.0]), name, {})
        return verdict

    assert found(-inside, inside) == "none that matters"
    assert found(-inside, outside) == found(-outside, inside) == ""


def test_the_noise_floor_is_the_largest_difference_either_way_of_its_seeds(report: ModuleType) -> None:
    rows = [
        {"variant": "full", "endpoints": {"nDCG@10": {"seeds": [0.9]}}},
        {"variant": "own scores", "endpoints": {"nDCG@10": {"seeds": [0.01, -0.03, 0.02]}}},
    ]
    assert report.noise(rows, "endpoints") == {"nDCG@10": 0.03}


def test_the_weights_counted_are_those_of_the_bundled_model(report: ModuleType) -> None:
    safetensors = pytest.importorskip("safetensors")
    file = ROOT / "robustrank" / "data" / "models" / "robustrank-tiny" / "model.safetensors"
    with safetensors.safe_open(file, framework="np") as weights:
        shapes = {name: weights.get_slice(name).get_shape() for name in sorted(weights.keys())}
    assert sum(math.prod(shape) for name, shape in shapes.items() if "position_ids" not in name) == report.PARAMETERS
    maps = [tuple(shape) for name, shape in shapes.items() if ".layer." in name and len(shape) == 2]
    assert sorted(maps) == sorted(report.SHAPES)


def test_sizes_follow_bits_zeros_and_factors(report: ModuleType) -> None:
    whole, maps = report.PARAMETERS * 2 / 1e6, report.MAPS * 2 / 1e6
    assert report.megabytes({}) == pytest.approx(whole)
    assert report.megabytes({"use": "grid"}) == pytest.approx(whole / 2)
    four = report.megabytes({"use": "grid", "bits": 4, "embeddings": False})
    assert four == pytest.approx(whole - 0.75 * maps)
    assert report.megabytes({"use": "magnitude", "share": 0.7}) == pytest.approx(whole - 0.7 * maps)
    assert report.megabytes({"use": "svd", "rank": 64}) == pytest.approx(whole - maps + 2e-6 * 64 * (8 * 256 + 4 * 640))


def test_on_the_front_is_what_no_other_is_as_good_as_in_both(figures: ModuleType) -> None:
    def point(name: str, across: float, upwards: float) -> Any:
        exact = (Estimate(value, value, value, 1) for value in (across, upwards))
        return figures.Point(name, figures.PARENT, *exact)

    points = [
        point("best", 0.4, 0.5), point("frugal", 0.3, 0.2), point("worse in both", 0.3, 0.5),
        point("worse in one", 0.4, 0.6), point("twin", 0.3, 0.2),
    ]  # fmt: skip
    assert [each.name for each in figures._front(points, more=True)] == ["best", "frugal", "twin"]
    assert [each.name for each in figures._front(points, more=False)] == ["frugal", "twin"]
