"""Fixtures shared by all tests."""

from __future__ import annotations

import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of full test collections, which lies beside the repository on the developers' machines."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the full test collections are not on this machine (expected beside the repository)")
    return folder


@pytest.fixture(scope="session")
def summaries() -> SimpleNamespace:
    """What ``summaries.py`` and ``plant.py`` beside this file define: ``realistic``, ``bare``, ``plant``."""
    here = Path(__file__).parent
    return SimpleNamespace(**runpy.run_path(str(here / "summaries.py")) | runpy.run_path(str(here / "plant.py")))
