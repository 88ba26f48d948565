"""Adapters of the library peft: LoRA and its kin (LoRA, DoRA, RandLoRA, VeRA, IA3, SHiRA, OFT and others)."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from robustrank.core.errors import ConfigError, MissingExtra
from robustrank.core.training_types import LowRank, Then
from robustrank.rankers.models.linear_maps import KINDS, linear_maps

HEAD = ("classifier",)


@dataclass(frozen=True, kw_only=True)
class Peft:
    """An adapter of peft, whose own configuration classes give each method its parameters.

    Args:
        method: Its name in peft: ``"LORA"``, ``"RANDLORA"``, ``"VERA"``, ``"IA3"``, ``"SHIRA"``, ``"OFT"`` ...
        targets: Linear maps that are changed: ``"query"``, ``"key"``, ``"value"``, ``"out"``, ``"up"``, ``"down"``.
        head: Whether the classification head is trained too.
        options: Further keys of the method's configuration class, such as ``{ r = 8, lora_alpha = 16 }``. LoRA without
            any has rank 8 and scale 2.

    Raises:
        ConfigError: An unknown target.
    """

    method: str = "LORA"
    targets: tuple[str, ...] = ("query", "value")
    head: bool = True
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the targets."""
        if not self.targets or set(self.targets) - set(KINDS):
            raise ConfigError(f"peft: targets are some of {', '.join(KINDS)}, not {', '.join(self.targets) or 'none'}")

    def attach(self, model: Any, seed: int, /) -> PeftAttached:
        """Freeze the model and put the adapter around its linear maps.

        Raises:
            ConfigError: peft has no such method, or refuses its options.
            MissingExtra: peft is not installed.
        """
        try:
            import peft
            import torch
        except ImportError as error:
            raise MissingExtra("an adapter", extra="train", package=error.name or "peft") from error
        maps = [name for name, _ in linear_maps(model, self.targets)]
        if not maps:
            raise ConfigError(f"peft: the model has no linear maps that are {', '.join(self.targets)}")
        options = {"target_modules": maps, "modules_to_save": list(HEAD) if self.head else None, **self.options}
        if self.method == "LORA":
            options = {"r": 8, "lora_alpha": 2 * options.get("r", 8), **options}
        if self.method == "SHIRA":  # its updates are sparse tensors, and torch warns until one decides on this check
            torch.sparse.check_sparse_tensor_invariants.disable()
        with warnings.catch_warnings():  # peft reads a property that transformers 5 deprecates
            warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing", category=FutureWarning)
            try:
                config = peft.get_peft_config({"peft_type": self.method, "inference_mode": False, **options})
                adapter = peft.get_peft_model(model, config)
            except KeyError:
                have = ", ".join(kind.value for kind in peft.PeftType)
                raise ConfigError(f"peft has no method {self.method!r} (it has: {have})") from None
            except (TypeError, ValueError) as error:
                raise ConfigError(f"peft refuses method {self.method!r} with these options: {error}") from error
        return PeftAttached(adapter)


@dataclass(frozen=True)
class PeftAttached:
    """A peft model around the model."""

    adapter: Any

    def after_step(self, step: int, total: int, /) -> Then:
        """AdaLoRA divides its ranks anew; other methods do nothing."""
        divide = getattr(self.adapter.base_model, "update_and_allocate", None)
        if divide is not None:
            divide(step)
        return Then.GO_ON

    def merged(self) -> Any:
        """The model with the update in its weights."""
        model = self.adapter.merge_and_unload()
        model.requires_grad_(True)
        return model

    def updates(self) -> Mapping[str, LowRank]:
        """The update of every adapted linear map, where the method is LoRA without magnitudes (DoRA)."""
        found = {}
        for name, module in self.adapter.get_base_model().named_modules():
            if hasattr(module, "lora_A") and "default" in module.lora_A and not len(module.lora_magnitude_vector):
                up, down = module.lora_B["default"].weight, module.lora_A["default"].weight
                found[name] = LowRank(up.detach().clone(), down.detach().clone(), float(module.scaling["default"]))
        if not found:
            raise ConfigError(f"the updates of {self.adapter.active_peft_config.peft_type.value} cannot be kept")
        return found
