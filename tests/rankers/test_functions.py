"""Functions as rankers: called by list or by pair, asynchronous or not, from a module beside the audit file."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from robustrank.config import audit_file
from robustrank.core import import_path
from robustrank.core.errors import ConfigError, ContractError, PluginError
from robustrank.core.types import Document, Query
from robustrank.plugins import registry
from robustrank.rankers.function import Call, CallableRanker, FunctionRanker

QUERY = Query("q", "what do cats eat")
DOCS = [Document(str(n), text) for n, text in enumerate(["cats eat mice", "rain", "what cats do"])]
SCORES = [2.0, 0.0, 3.0]


def pair(query: str, text: str) -> float:
    return len({*query.split()} & {*text.split()})


def whole(query: str, texts: list[str]) -> list[float]:
    return [pair(query, text) for text in texts]


async def slow_pair(query: str, text: str) -> float:
    await asyncio.sleep(0)
    return pair(query, text)


async def slow_whole(query: str, texts: list[str]) -> list[float]:
    await asyncio.sleep(0)
    return whole(query, texts)


def lends_awaitable(query: str, text: str) -> object:
    return (
        asyncio.get_running_loop().create_task(slow_pair(query, text))
        if text != "cats eat mice"
        else slow_pair(query, text)
    )


@pytest.fixture(autouse=True)
def path() -> Iterator[None]:
    """Python's path and modules as they were."""
    before, modules = list(sys.path), {*sys.modules}
    yield
    sys.path[:] = before
    import_path._folders.clear()
    for name in {*sys.modules} - modules:
        if name.startswith("own_"):
            del sys.modules[name]


@pytest.mark.parametrize(
    ("function", "call"),
    [(whole, "list"), (slow_whole, "list"), (pair, "pair"), (slow_pair, "pair"), (lends_awaitable, "pair")],
)
def test_every_way_to_call_a_function_gives_the_same_scores(function: object, call: str) -> None:
    ranker = FunctionRanker(function, "it", call=Call(call))  # type: ignore[arg-type]
    assert ranker.score(QUERY, DOCS) == SCORES
    assert ranker.score(QUERY, []) == []


def test_asynchronous_calls_share_one_event_loop_also_inside_a_running_one() -> None:
    loops = []

    async def score(query: str, text: str) -> float:
        loops.append(asyncio.get_running_loop())
        return 0.0

    async def notebook() -> list[float]:
        return FunctionRanker(score, "it", call=Call.PAIR).score(QUERY, DOCS)

    with ThreadPoolExecutor(1) as fresh:  # other tests leave a running loop in this thread
        assert fresh.submit(lambda: asyncio.run(notebook())).result() == [0.0, 0.0, 0.0]
    assert len(set(loops)) == 1


def test_pairs_of_an_asynchronous_function_are_asked_at_one_time_within_a_bound() -> None:
    at_work, most = 0, 0

    async def score(query: str, text: str) -> float:
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        for _ in range(3):
            await asyncio.sleep(0)
        at_work -= 1
        return float(text)

    docs = [Document(str(n), str(n)) for n in range(50)]
    assert FunctionRanker(score, "it", call=Call.PAIR).score(QUERY, docs) == [float(n) for n in range(50)]
    assert 8 <= most <= 17


def test_an_asynchronous_failure_is_the_rankers_and_ends_the_other_calls() -> None:
    ended = []

    async def score(query: str, text: str) -> float:
        if text == "rain":
            raise ConnectionError("the service is down")
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append(text)
        return 0.0

    with pytest.raises(ConnectionError, match="the service is down"):
        FunctionRanker(score, "it", call=Call.PAIR).score(QUERY, DOCS)
    assert sorted(ended) == ["cats eat mice", "what cats do"]


def test_what_is_no_number_is_a_broken_contract() -> None:
    async def score(query: str, texts: list[str]) -> list[float]:
        return ["high"]  # type: ignore[list-item]

    with pytest.raises(ContractError, match="not numbers"):
        FunctionRanker(score, "it").score(QUERY, DOCS[:1])


@pytest.mark.parametrize(
    "more", [{"call": "each"}, {"call": "pair", "returns": "order"}, {"call": "pair", "pointwise": False}]
)
def test_ways_that_do_not_go_together_are_refused(more: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"call|pairs"):
        CallableRanker(function="a:b", **more)  # type: ignore[arg-type]


AUDIT = """
name = "beside"
measures = ["nDCG@10"]
[[collection]]
name = "home"
use = "selqa"
queries = 3
depth = 5
[[ranker]]
name = "mine"
use = "callable"
function = "own_scores:score"
[[gate]]
name = "fine"
measure = "nDCG@10"
min = 0.001
bound = "value"
where = { ranker = "mine" }
"""


def module(folder: Path, name: str = "own_scores", value: str = "len(text)") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.py").write_text(
        "from own_helper import value\ndef score(query, texts):\n    return [value(query, text) for text in texts]\n"
    )
    (folder / "own_helper.py").write_text(f"def value(query, text):\n    return float({value})\n")


def built(folder: Path) -> CallableRanker:
    spec = audit_file.parse(AUDIT, folder=folder)
    ranker: CallableRanker = registry.build("ranker", spec.rankers[0].plugin)
    return ranker


def test_a_module_beside_the_audit_file_is_imported_with_its_neighbours_and_hides_no_installed_one(
    tmp_path: Path,
) -> None:
    module(tmp_path)
    before = list(sys.path)
    assert built(tmp_path).score(QUERY, DOCS) == [13.0, 4.0, 12.0]
    assert sys.path == [*before, str(tmp_path)]
    assert built(tmp_path).card.name == "callable(own_scores:score)"


def test_the_identity_is_that_of_the_function_not_of_its_folder(tmp_path: Path) -> None:
    for name in ("a", "b"):
        module(tmp_path / name)
    assert built(tmp_path / "a").card == built(tmp_path / "b").card


def test_two_audits_of_a_process_each_import_their_own_module(tmp_path: Path) -> None:
    module(tmp_path / "a")
    module(tmp_path / "b", value="-len(text)")
    first, second = built(tmp_path / "a"), built(tmp_path / "b")
    assert first.score(QUERY, DOCS) == [13.0, 4.0, 12.0]
    assert second.score(QUERY, DOCS) == [-13.0, -4.0, -12.0]
    assert first.score(QUERY, DOCS) == [13.0, 4.0, 12.0]
    assert str(tmp_path / "a") not in sys.path


@pytest.mark.parametrize("name", ["json", "click", "xmlrpc"])
def test_a_module_with_the_name_of_an_installed_one_is_refused_and_not_confused_with_it(
    tmp_path: Path, name: str
) -> None:
    module(tmp_path, name)
    spec = audit_file.parse(AUDIT.replace("own_scores", name), folder=tmp_path)
    with pytest.raises(PluginError, match=f"the module '{name}' in .* has the name of another one .*rename yours"):
        _ = registry.build("ranker", spec.rankers[0].plugin).card


def test_a_module_of_a_package_beside_the_file_and_one_of_a_named_folder_are_found(tmp_path: Path) -> None:
    (tmp_path / "own_package").mkdir()
    (tmp_path / "own_package" / "__init__.py").touch()
    (tmp_path / "own_package" / "deep.py").write_text(
        "class Model:\n    score = staticmethod(lambda q, d: [1.0] * len(d))\n"
    )
    spec = audit_file.parse(AUDIT.replace("own_scores:score", "own_package.deep:Model.score"), folder=tmp_path)
    assert registry.build("ranker", spec.rankers[0].plugin).score(QUERY, DOCS) == [1.0, 1.0, 1.0]
    module(tmp_path / "elsewhere")
    assert CallableRanker(function=f"{tmp_path}/elsewhere/own_scores:score").score(QUERY, DOCS)[1] == 4.0
    with pytest.raises(PluginError, match="there is no module 'own_nothing'"):
        CallableRanker(function=f"{tmp_path}/own_nothing:score").score(QUERY, DOCS)


@pytest.mark.parametrize(
    "command",
    [
        ["-m", "robustrank", "audit", "checks/mine.audit.toml", "--out", "out", "--executor", "serial"],
        ["-m", "robustrank", "audit", "checks/mine.audit.toml", "--out", "out", "--executor", "processes(workers=1)"],
        ["-m", "pytest", "checks/mine.audit.toml", "-p", "no:cacheprovider", "-q"],
    ],
    ids=["audit in this process", "audit in a worker", "pytest"],
)
def test_a_module_beside_the_audit_file_is_found_whoever_runs_it(tmp_path: Path, command: list[str]) -> None:
    """In a folder below the working directory, which is not on Python's path."""
    module(tmp_path / "checks", value="len({*query.split()} & {*text.split()}) + len(text) / 1000")
    (tmp_path / "checks" / "mine.audit.toml").write_text(AUDIT)
    done = subprocess.run([sys.executable, *command], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
