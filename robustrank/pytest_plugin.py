"""The pytest plug-in: every ``[[gate]]`` of a ``*.audit.toml`` file is one test.

Only pytest and the standard library are imported here, because this module loads in every pytest run of every
environment that has RobustRank; the rest waits until an audit file is collected, heavy packages until a gate runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from robustrank.config import AuditSpec, GateSpec
    from robustrank.summary import Summary, Verdict

SUFFIX = ".audit.toml"


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
    config.addinivalue_line("markers", "robustrank: a gate of an audit file (select with -m robustrank)")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> AuditFile | None:
    """Collect audit files."""
    return AuditFile.from_parent(parent, path=file_path) if file_path.name.endswith(SUFFIX) else None


class AuditFile(pytest.File):
    """One audit file; its audit runs once, when the first of its gates runs."""

    _outcome: Summary | Exception | None = None

    def collect(self) -> Iterator[Gate]:
        """One test per gate."""
        from robustrank import config, gate
        from robustrank.errors import RobustRankError

        try:
            spec = config.load(self.path)
            gate.check(spec)
        except RobustRankError as error:
            raise self.CollectError(str(error)) from error
        for limit in spec.gates:
            yield Gate.from_parent(self, name=limit.name, spec=spec, gate=limit)

    def summary(self, spec: AuditSpec) -> Summary:
        """The audit's summary; an audit that could not run is not tried again for the next gate."""
        if self._outcome is None:
            try:
                self._outcome = self._audit(spec)
            except Exception as error:
                self._outcome = error
        if isinstance(self._outcome, Exception):
            raise self._outcome
        return self._outcome

    def folder(self, spec: AuditSpec) -> Path:
        """Where the audit's records lie."""
        from robustrank import audit

        store = self.config.getoption("--robustrank-store") or self.config.getini("robustrank_store")
        return audit.folder(spec, self.config.rootpath / store)

    def _audit(self, spec: AuditSpec) -> Summary:
        import warnings

        from robustrank import audit, summary

        folder = self.folder(spec)
        session: str = getattr(self.config, "workerinput", {}).get("testrunuid", "")
        with _turn(folder), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the libraries behind rankers: no concern of this test suite
            mark = folder / "session"
            if session and mark.exists() and mark.read_text(encoding="utf-8") == session:
                return summary.read(folder / "summary.json")  # another xdist worker ran it a moment ago
            result = audit.run(spec, folder, fresh=self.config.getoption("--robustrank-fresh"))
            mark.write_text(session, encoding="utf-8")
            return result


class Gate(pytest.Item):
    """One gate; passes when it is held."""

    parent: AuditFile

    def __init__(self, *, spec: AuditSpec, gate: GateSpec, **rest: Any) -> None:
        super().__init__(**rest)
        self.spec = spec
        self.gate = gate
        self.add_marker("robustrank")
        if self.config.pluginmanager.hasplugin("xdist"):
            self.add_marker(pytest.mark.xdist_group(str(self.path)))  # with --dist loadgroup nobody waits

    def runtest(self) -> None:
        """Run or resume the audit, and judge this gate."""
        from robustrank.gate import judge

        [verdict] = judge([self.gate], self.parent.summary(self.spec), self.spec.ratchet)
        self.user_properties.append(("robustrank", f"{verdict.outcome}: {verdict.reason}"))
        if not verdict.held:
            raise GateNotHeld(verdict, self.parent.folder(self.spec) / "report.html")

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """One line for a gate that is not held and for an audit that cannot run; a traceback for a bug."""
        from robustrank.errors import RobustRankError
        from robustrank.hostile import for_terminal

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


@contextmanager
def _turn(folder: Path) -> Iterator[None]:
    """Wait for other workers of this test run that audit into the same folder."""
    import fcntl

    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.turn").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
