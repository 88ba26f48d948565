"""Learning rates of the study of variants, by one rule for all arms: the smallest development loss after one pass.

``python benchmarks/variants_rates.py pilot`` writes ``rates.variants.toml``: every trained arm of the study with each
of ``RATES``, one seed, one pass. After ``robustrank variants reports/variants/rates.variants.toml --train-only``,
``python benchmarks/variants_rates.py chosen MODELS`` prints what each rate reached, and writes the best ones into
``study.variants.toml``.
"""

from __future__ import annotations

import argparse
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from robustrank.config.writing import as_toml
from robustrank.training.variants import model_name

STUDY = Path("reports/variants")
RATES = (1e-4, 3e-4, 1e-3, 3e-3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("step", choices=["pilot", "chosen"])
    parser.add_argument("models", type=Path, nargs="?", help="folder of the pilot's models")
    arguments = parser.parse_args()
    file = STUDY / "study.variants.toml"
    study = tomllib.loads(file.read_text(encoding="utf-8"))
    schedule = tomllib.loads((STUDY / study["training"]).read_text(encoding="utf-8"))["stage"][-1]["schedule"]
    if arguments.step == "chosen" and any("schedule" in arm.get("stage", {}) for arm in study["variant"]):
        parser.error(f"{file} has learning rates; take its [variant.stage.schedule] tables out to choose again")
    arms = [arm for arm in study["variant"] if arm.get("learns", True) and "training" not in arm]
    if arguments.step == "pilot":
        pilot = {
            **{key: study[key] for key in ("audit", "parent", "training")},
            "name": "rates",
            "seeds": study["seeds"][:1],
            "variant": [at_rate(arm, {**schedule, "epochs": 1}, rate) for arm in arms for rate in RATES],
        }
        (STUDY / "rates.variants.toml").write_text(as_toml(pilot), encoding="utf-8")
        return
    losses = {
        arm["name"]: [loss(arguments.models, at_rate(arm, schedule, rate)["name"]) for rate in RATES] for arm in arms
    }
    print("| arm |" + "".join(f" {rate:g} |" for rate in RATES) + "\n" + "|---" * (len(RATES) + 1) + "|")
    for name, of_rate in losses.items():
        print(f"| {name} |" + "".join(f" {each:.3f} |" for each in of_rate))
    text = file.read_text(encoding="utf-8")
    for name, of_rate in losses.items():
        best = min(zip(of_rate, RATES, strict=True))[1]
        text = placed(text, name, as_toml({"variant.stage.schedule": {**schedule, "learning_rate": best}}))
    file.write_text(text, encoding="utf-8")


def at_rate(arm: Mapping[str, Any], schedule: Mapping[str, Any], rate: float) -> dict[str, Any]:
    stage = {**arm.get("stage", {}), "schedule": {**schedule, "learning_rate": rate}}
    return {**arm, "name": f"{arm['name']} at {rate:g}", "stage": stage}


def loss(models: Path, name: str) -> float:
    courses = json.loads((models / model_name(name) / "courses.json").read_text(encoding="utf-8"))
    (course,) = courses.values()
    return float(course["best"])


def placed(text: str, name: str, table: str) -> str:
    """The text of a file of variants with a table put after one variant's own."""
    parts = text.split("[[variant]]\n")
    return "[[variant]]\n".join(
        f"{part.rstrip()}\n{table.strip()}\n\n" if part.startswith(f'name = "{name}"\n') else part for part in parts
    )


if __name__ == "__main__":
    main()
