"""Training of torch models: the gradient step, the loop with its checkpoints, and weights on disk as safetensors."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from robustrank.core.errors import PluginError
from robustrank.core.progress import Progress


def descend(model: Any, optimizer: Any, loss: Any, *, step: int, clip: float | None = None) -> None:
    """One step of the optimizer along the gradient of a loss.

    Args:
        model: Its parameters have no gradients yet; they have none afterwards.
        optimizer: Over parameters of the model.
        loss: A scalar tensor.
        step: Number of the step, for the message.
        clip: Largest norm of the gradient; a larger one is scaled down to it. ``None`` leaves it as it is.

    Raises:
        PluginError: The loss is not finite; nothing was changed.
    """
    import torch

    if not torch.isfinite(loss):
        raise PluginError(f"training: the loss is {loss.item()} at step {step}; lower learning_rate")
    loss.backward()
    if clip is not None:
        torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
    optimizer.step()
    optimizer.zero_grad()


class Checkpoint:
    """A training run between two steps, in one file: weights, optimizer moments, and a JSON object of its own.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def exists(self) -> bool:
        """Whether a run left one."""
        return self.path.is_file()

    def save(self, model: Any, optimizer: Any, state: Mapping[str, Any]) -> None:
        """Replace the file by the present state, whole or not at all."""
        import torch

        tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
        for number, moments in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{number}.{name}": torch.as_tensor(value) for name, value in moments.items()}
        write(self.path, tensors, {"course": json.dumps(state)})

    def restore(self, model: Any, optimizer: Any | None = None) -> dict[str, Any]:
        """Load the file into a model, and into its optimizer where there is one.

        Returns:
            The JSON object that was saved with them.
        """
        from safetensors import safe_open

        with safe_open(self.path, "pt") as file:
            state: dict[str, Any] = json.loads(file.metadata()["course"])
        weights: dict[str, Any] = {}
        moments: dict[int, dict[str, Any]] = {}
        for key, tensor in read(self.path).items():
            kind, _, rest = key.partition(".")
            if kind == "model":
                weights[rest] = tensor
            else:
                number, _, name = rest.partition(".")
                moments.setdefault(int(number), {})[name] = tensor
        model.load_state_dict(weights)
        if optimizer is not None:
            optimizer.load_state_dict({**optimizer.state_dict(), "state": moments})
        return state


class Stepped(Protocol):
    """State of a training run that counts its steps."""

    step: int


def run(
    course: Stepped, end: int, advance: Callable[[], None], *, every: int, save: Callable[[], None],
    progress: Progress | None = None, name: str = "training", go_on: Callable[[], bool] = lambda: True,
) -> None:  # fmt: skip
    """The training loop: steps until the end, with a checkpoint every so many steps and after the last.

    Args:
        course: Its ``step`` is the number of steps made; the loop goes on from there.
        end: Number of steps in all.
        advance: Makes one step. The loop counts it.
        every: Steps between checkpoints.
        save: Writes a checkpoint, after whatever is to be measured for it.
        progress: Informed of the name, the end and every step.
        name: Of the phase.
        go_on: Asked before every step; training ends where it returns false.
    """
    if progress is not None:
        progress.start(name, end)
        progress.advance(course.step)
    while course.step < end and go_on():
        advance()
        course.step += 1
        if course.step % every == 0 or course.step == end:
            save()
        if progress is not None:
            progress.advance()


def read(path: Path) -> dict[str, Any]:
    """The tensors of a safetensors file by name."""
    from safetensors.torch import load_file

    return dict(load_file(path))


def write(path: Path, tensors: Mapping[str, Any], metadata: dict[str, str] | None = None) -> None:
    """Write a safetensors file, whole or not at all."""
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    save_file(_apart(tensors), new, metadata)
    with new.open("rb") as file:
        os.fsync(file.fileno())
    os.replace(new, path)


def _apart(tensors: Mapping[str, Any]) -> dict[str, Any]:
    """Tensors without shared memory, which safetensors refuses: layers may share the bases of their adapters."""
    seen: set[int] = set()
    apart = {}
    for name, tensor in tensors.items():
        whole = tensor.contiguous()
        apart[name] = whole.clone() if whole.data_ptr() in seen else whole
        seen.add(whole.data_ptr())
    return apart
