"""Executors: the same results everywhere, and errors that come home whole."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import pytest

from robustrank.core.cores import THREADS, threads
from robustrank.core.errors import DataError, MissingExtra, RobustRankError
from robustrank.core.interfaces import Executor, Lost
from robustrank.core.words import words
from robustrank.work.executors.local import Serial, Threads
from robustrank.work.executors.processes import Processes
from robustrank.work.executors.ray_cluster import Ray

EXECUTORS: list[Executor] = [
    Serial(),
    Threads(workers=2),
    Processes(workers=2),
    *([Ray(workers=2)] if find_spec("ray") else []),
]


@pytest.mark.parametrize("executor", EXECUTORS, ids=lambda executor: type(executor).__name__)
def test_results_do_not_depend_on_the_executor(executor: Executor) -> None:
    texts = [f"text {'word ' * n}" for n in range(7)]
    found = executor.run(partial(words), texts)
    assert sorted(len(each) for each in found if isinstance(each, tuple | list)) == [1, 2, 3, 4, 5, 6, 7]
    assert list(executor.run(words, [])) == []


@pytest.mark.parametrize("executor", EXECUTORS, ids=lambda executor: type(executor).__name__)
def test_an_error_in_a_task_is_raised_where_the_results_are_read(executor: Executor) -> None:
    with pytest.raises(ZeroDivisionError):
        list(executor.run((1).__floordiv__, [1, 0]))


@pytest.mark.parametrize(
    "error",
    [
        MissingExtra("it", extra="torch", package="torch"),
        DataError("bad", path=Path("f"), line=3),
        RobustRankError("x"),
    ],
)
def test_errors_survive_the_way_home_from_a_worker(error: RobustRankError) -> None:
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert (type(copy), str(copy), copy.exit_code) == (type(error), str(error), error.exit_code)


def test_a_worker_that_dies_costs_its_item_and_says_how() -> None:
    [lost] = Processes(workers=1).run(os._exit, [3])
    assert isinstance(lost, Lost)
    assert (lost.item, lost.reason) == (3, "the worker process ended with exit code 3")


class Sent:
    """A function that counts how often it is sent to a worker."""

    def __init__(self, function: Callable[[int], object]) -> None:
        self.function = function
        self.times = 0

    def __reduce__(self) -> tuple[type[partial[object]], tuple[Callable[[int], object]]]:
        self.times += 1
        return partial, (self.function,)

    def __call__(self, item: int) -> object:
        return self.function(item)


def test_a_function_is_sent_once_to_a_worker_and_again_to_the_one_that_takes_its_place() -> None:
    executor, plain, ending = Processes(workers=1), Sent(abs), Sent(os._exit)
    assert list(executor.run(plain, [-1, -2, -3])) == [1, 2, 3]
    assert plain.times == 1
    [lost] = executor.run(ending, [3])
    assert isinstance(lost, Lost)
    assert ending.times == 2, "to the first worker, and to the one of the second trial"
    assert list(executor.run(plain, [-5])) == [5]
    assert plain.times == 2
    executor.close()


@pytest.mark.parametrize("limited", THREADS)
def test_a_limit_of_threads_that_is_set_for_one_library_holds_for_all(
    limited: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in THREADS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(limited, "7")
    assert list(Processes(workers=1).run(os.getenv, list(THREADS))) == ["7", "7", "7"]


@pytest.mark.parametrize(("given", "expected"), [("3", 3), ("0", 5), ("many", 5), ("", 5)])
def test_a_computation_keeps_the_limit_of_threads_that_is_set(
    given: str, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in THREADS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MKL_NUM_THREADS", given)
    assert threads(default=5) == expected


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system limits no process to some cores")
def test_without_a_limit_workers_share_the_cores_that_the_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in THREADS:
        monkeypatch.delenv(name, raising=False)
    allowed = os.sched_getaffinity(0)
    assert list(Processes(workers=1).run(os.getenv, list(THREADS))) == [str(len(allowed))] * 3
    assert set(Processes(workers=2).run(os.getenv, list(THREADS))) == {str(max(1, len(allowed) // 2))}
    os.sched_setaffinity(0, {min(allowed)})
    try:
        assert list(Processes(workers=1).run(os.getenv, list(THREADS))) == ["1", "1", "1"]
    finally:
        os.sched_setaffinity(0, allowed)


def test_results_arrive_while_others_are_still_computed() -> None:
    first = next(iter(Serial().run(len, ["a"])))
    assert first == 1
    assert next(Processes(workers=1).run(len, ["a", "bb", "ccc"])) in (1, 2, 3)


def test_ray_that_is_missing_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtra, match=r"pip install 'robustrank\[ray\]'"):
        list(Ray().run(len, ["a"]))


SCRIPT = """
from multiprocessing import RLock

from robustrank.work.executors.processes import Processes


def takes(item):
    takes.lock = RLock()  # as the progress bars of model libraries do
    return item


if __name__ == "__main__":
    executor = Processes(workers=2)
    print(sorted(executor.run(takes, [1, 2, 3])))
    executor.close()
"""


def test_workers_give_back_what_they_took_of_the_system(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, "script.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=True)
    assert (done.stdout, done.stderr) == ("[1, 2, 3]\n", "")
