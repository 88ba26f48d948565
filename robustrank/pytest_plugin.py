"""The pytest plug-in: every ``[[gate]]`` of a ``*.audit.toml`` file is one test, and a fixture for tests of your own.

Only pytest and the standard library are imported here, because this module loads in every pytest run of every
environment that has RobustRank; other modules are imported when an audit file is collected or a gate runs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from robustrank.config.specs import AuditSpec, GateSpec
    from robustrank.core.types import Estimate
    from robustrank.results.summary import Summary
    from robustrank.results.verdicts import Verdict

SUFFIX = ".audit.toml"
FIXTURE = "robustrank_audit"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Two options and one ini value."""
    group = parser.getgroup("robustrank", "robustness gates")
    group.addoption("--robustrank-store", metavar="DIR", help="folder of the audits (default: ini robustrank_store)")
    group.addoption("--robustrank-fresh", action="store_true", help="run audits anew instead of resuming them")
    parser.addini(
        "robustrank_store", "folder of the audits, relative to the root of the project", default=".robustrank"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Declare the mark."""
    config.addinivalue_line("markers", "robustrank: a gate, or a test that requests an audit (-m robustrank)")
    config.stash[_AUDITS] = _Audits(config)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> AuditFile | None:
    """Collect audit files."""
    return AuditFile.from_parent(parent, path=file_path) if file_path.name.endswith(SUFFIX) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests with the fixture carry the mark, as gates do."""
    for item in items:
        if FIXTURE in getattr(item, "fixturenames", ()):
            item.add_marker("robustrank")


@pytest.fixture
def robustrank_audit(request: pytest.FixtureRequest) -> Callable[[str | Path], Audited]:
    """Run an audit once per test run and return its estimates.

    ``robustrank_audit("my.audit.toml").estimate("ASR@10", ranker="mine", attack="prada").high <= 0.1``. The file is
    searched beside the test, then from the root of the project; ``"quick"`` and ``"default"`` are the bundled ones.
    """
    audits = request.config.stash[_AUDITS]

    def run(file: str | Path) -> Audited:
        from robustrank.config import audit_file

        beside = request.path.parent / file
        path = beside if beside.exists() else request.config.rootpath / file
        with _one_line("could not run: "):
            spec = audit_file.load(file if file in audit_file.BUNDLED else _from_here(path))
            return Audited(audits.summary(spec), audits.folder(spec) / "report.html")

    return run


class Audited:
    """An audit that has run.

    Args:
        summary: The summary of the audit.
        report: Path of its HTML report.
    """

    def __init__(self, summary: Summary, report: Path) -> None:
        self.summary = summary
        self.report = report

    def estimate(self, measure: str, **where: str | int) -> Estimate:
        """One figure with its interval, named as a gate would name it.

        Args:
            measure: For example ``"nDCG@10"``, ``"ASR@10"`` or ``"CRQ@5"``.
            **where: ``ranker``, ``collection``, ``attack`` (without it the worst of all that are no controls), ...

        A name that no figure has, or several have, fails the test and lists the near ones.
        """
        __tracebackhide__ = True
        from robustrank.config.specs import GateSpec
        from robustrank.judging import gate

        with _one_line():
            figures = gate.named(GateSpec(name="of this test", measure=measure, where=where), self.summary)
        estimates = [(figure.estimate, figure.higher_is_better) for figure in figures if figure.estimate]
        return max(estimates, key=lambda pair: -pair[0].value if pair[1] else pair[0].value)[0]


class _Audits:
    """The audits of a test run; each runs once, at its first request."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._outcomes: dict[Path, Summary | Exception] = {}

    @cached_property
    def _store(self) -> Path:
        store = self._config.getoption("--robustrank-store") or self._config.getini("robustrank_store")
        return self._config.rootpath / str(store)

    def folder(self, spec: AuditSpec) -> Path:
        """Where the audit's records lie."""
        from robustrank.auditing import run as audit

        return audit.folder(spec, self._store)

    def summary(self, spec: AuditSpec) -> Summary:
        """The audit's summary; an audit that could not run is not tried again."""
        folder = self.folder(spec)
        if folder not in self._outcomes:
            try:
                self._outcomes[folder] = self._run(spec, folder)
            except Exception as error:
                self._outcomes[folder] = error
        outcome = self._outcomes[folder]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def _run(self, spec: AuditSpec, folder: Path) -> Summary:
        import warnings

        from robustrank.auditing import run as audit
        from robustrank.core import plugin_spec
        from robustrank.plugins import registry
        from robustrank.results import summary
        from robustrank.work.executors import DEFAULT

        session: str = getattr(self._config, "workerinput", {}).get("testrunuid", "")
        with _turn(folder), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of libraries: the user's filters may turn them into errors
            mark = folder / "session"
            if session and mark.exists() and mark.read_text(encoding="utf-8") == session:
                return summary.read(folder / "summary.json")  # another xdist worker ran it in this session
            executor = registry.build("executor", plugin_spec.parse(DEFAULT))
            result = audit.run(spec, folder, executor=executor, fresh=self._config.getoption("--robustrank-fresh"))
            mark.write_text(session, encoding="utf-8")
            return result


_AUDITS = pytest.StashKey[_Audits]()


class AuditFile(pytest.File):
    """One audit file; its audit runs once, when the first of its gates runs."""

    def collect(self) -> Iterator[Gate]:
        """One test per gate."""
        from robustrank.config import audit_file
        from robustrank.core.errors import RobustRankError
        from robustrank.judging import checks

        try:
            spec = audit_file.load(_from_here(self.path))
            checks.check(spec)
        except RobustRankError as error:
            raise self.CollectError(str(error)) from error
        for limit in spec.gates:
            yield Gate.from_parent(self, name=limit.name, spec=spec, gate=limit)


class Gate(pytest.Item):
    """One gate; passes when it is held."""

    def __init__(self, *, spec: AuditSpec, gate: GateSpec, **rest: Any) -> None:
        super().__init__(**rest)
        self.spec = spec
        self.gate = gate
        self.add_marker("robustrank")
        if self.config.pluginmanager.hasplugin("xdist"):
            self.add_marker(
                pytest.mark.xdist_group(str(self.path))
            )  # with --dist loadgroup all gates of a file run on one worker

    def runtest(self) -> None:
        """Run or resume the audit, and judge this gate."""
        from robustrank.judging.gate import judge

        audits = self.config.stash[_AUDITS]
        [verdict] = judge([self.gate], audits.summary(self.spec), self.spec.ratchet)
        self.user_properties.append(("robustrank", f"{verdict.outcome}: {verdict.reason}"))
        if not verdict.held:
            raise GateNotHeld(verdict, audits.folder(self.spec) / "report.html")

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """One line for a gate that is not held and for an audit that cannot run; a traceback for a bug."""
        from robustrank.core.errors import RobustRankError
        from robustrank.core.escaping import for_terminal

        if isinstance(excinfo.value, GateNotHeld):
            return for_terminal(str(excinfo.value))
        if isinstance(excinfo.value, RobustRankError):
            return f"could not run: {for_terminal(str(excinfo.value))}"
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """File and name, for headings."""
        return self.path, None, f"gate: {self.name}"


class GateNotHeld(Exception):
    """A gate failed, or could not be decided and the audit file does not allow that."""

    def __init__(self, verdict: Verdict, report: Path) -> None:
        super().__init__(f"{verdict.outcome}: {verdict.reason} (report: {report})")


def _from_here(path: Path) -> Path:
    """The path relative to the working directory, as on the command line: the audit's folder depends on it."""
    return Path(os.path.relpath(path))


@contextmanager
def _one_line(before: str = "") -> Iterator[None]:
    """Fail the test with the message of a :class:`RobustRankError` in place of a traceback."""
    from robustrank.core.errors import RobustRankError
    from robustrank.core.escaping import for_terminal

    try:
        yield
    except RobustRankError as error:
        pytest.fail(before + for_terminal(str(error)), pytrace=False)


@contextmanager
def _turn(folder: Path) -> Iterator[None]:
    """Wait for other workers of this test run that audit into the same folder."""
    from filelock import FileLock

    from robustrank.core.errors import StoreError

    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"{folder.parent}: cannot be written: {error}; give --robustrank-store another folder"
        ) from error
    with FileLock(folder.with_name(f"{folder.name}.turn")):
        yield
