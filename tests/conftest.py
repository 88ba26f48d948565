"""Fixtures shared by all tests."""

from __future__ import annotations

import os
import runpy
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:  # workers share the cores; read by torch when it is imported
    os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of full test collections, which lies beside the repository on the developers' machines."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the full test collections are not on this machine (expected beside the repository)")
    return folder


@pytest.fixture(scope="session")
def summaries() -> SimpleNamespace:
    """What the files beside this one define: ``realistic``, ``bare``, ``plant``, ``made_up_cases``, ..."""
    here = Path(__file__).parent
    names = ("summaries.py", "plant.py", "made_up_cases.py", "made_up_tasks.py")
    found = {key: value for name in names for key, value in runpy.run_path(str(here / name)).items()}
    realistic, made_up_cases, made_up_tasks = (found[n] for n in ("realistic", "made_up_cases", "made_up_tasks"))
    whole = cache(lambda: replace(realistic(), cases=made_up_cases(24), five=made_up_tasks()))
    return SimpleNamespace(**found | {"realistic": whole, "bare": cache(found["bare"])})
