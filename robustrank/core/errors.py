"""The exceptions of RobustRank and the exit codes of the command line.

RobustRankError
├── ConfigError         the audit file or an option is wrong           exit 2
├── DataError           a collection, run or judgment file is wrong    exit 2
├── PluginError         a plug-in is unknown, broken or misused        exit 2
│   ├── MissingExtra    an optional package is not installed           exit 3
│   ├── PluginFailed    a plug-in raised something, or ended its process exit 3
│   ├── InvalidAnswer   a ranker that orders documents gave an answer that is no order of them  exit 3
│   └── ContractError   a plug-in broke the contract of its kind       exit 3
├── StoreError          an audit folder cannot be read or written      exit 3
└── OracleError         raised by an oracle inside an attack, caught by the harness
    ├── AccessDenied    the attack requested more than its access level
    └── BudgetExhausted the attack requested more pairs than its budget
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any


class RobustRankError(Exception):
    """Base of all errors below; the message says what is wrong and how to fix it."""

    exit_code = 3


class ConfigError(RobustRankError):
    """The audit file or a command-line option is wrong."""

    exit_code = 2


class DataError(RobustRankError):
    """A collection, run or judgment file is wrong.

    Args:
        message: What is wrong, and how to fix it.
        path: The file.
        line: The 1-based number of the faulty line, where there is one.
    """

    exit_code = 2

    def __init__(self, message: str, *, path: Path | str | None = None, line: int | None = None) -> None:
        self.path = path
        self.line = line
        where = "" if path is None else f"{path}: " if line is None else f"{path}:{line}: "
        super().__init__(where + message)


class PluginError(RobustRankError):
    """A plug-in is unknown, fails to import, or was given wrong parameters."""

    exit_code = 2


class MissingExtra(PluginError):
    """An optional package is not installed.

    Args:
        what: What needs it, for example ``"the cross_encoder ranker"``.
        extra: The extra of the ``robustrank`` distribution that brings it.
        package: The package that could not be imported.
        also: What pip is to install besides, with its options.
    """

    exit_code = 3

    def __init__(self, what: str, *, extra: str, package: str, also: str = "") -> None:
        more = f" && pip install {also}" if also else ""
        command = f"pip install 'robustrank[{extra}]'{more}"
        super().__init__(f"{what} needs the package {package!r}; install it with: {command}")
        self._arguments = {"what": what, "extra": extra, "package": package, "also": also}

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by keyword arguments, so that a worker process can return the error."""
        return partial(MissingExtra, **self._arguments), ()


class PluginFailed(PluginError):
    """A plug-in raised something while it was built, loaded or used; the message names it."""

    exit_code = 3


class InvalidAnswer(PluginError):
    """A ranker that orders documents gave an answer that is no order of them, and does not repair it."""

    exit_code = 3


class ContractError(PluginError):
    """A plug-in returned something its kind does not allow: NaN, a wrong length, a document that was not given."""

    exit_code = 3


class TimeLimitPassed(BaseException):
    """A task of this process passed its time limit; no ``except Exception`` of a plug-in stops it."""


class StoreError(RobustRankError):
    """An audit folder cannot be read or written."""


class OracleError(RobustRankError):
    """Base of the errors an oracle raises inside an attack."""


class AccessDenied(OracleError):
    """The attack requested more than its declared access level."""


class BudgetExhausted(OracleError):
    """The attack requested more scored pairs than its budget allows."""


LONGEST = 2_000
"""Characters of a plug-in's message that are kept: records, summary and reports repeat it for every case."""


def reason(problem: BaseException) -> str:
    """What was raised: type and message."""
    return f"{type(problem).__name__}: {message(problem)}".rstrip(": ")


def message(problem: BaseException) -> str:
    """The message of what a plug-in raised: cut where it is very long, and in characters that can be stored."""
    try:
        text = str(problem)
    except TimeLimitPassed:
        raise
    except BaseException as other:  # of a plug-in's own __str__
        text = f"its message cannot be shown ({type(other).__name__})"
    return shortened(text)


def shortened(text: str) -> str:
    """A text for a record: cut after :data:`LONGEST` characters, lone surrogates escaped."""
    more = f" … ({len(text):,} characters)" if len(text) > LONGEST else ""
    return text[:LONGEST].encode(errors="backslashreplace").decode() + more


@contextmanager
def naming(what: str | None) -> Iterator[None]:
    """Put what an error is about before its message, unless that names it or, of data, another file."""
    try:
        yield
    except RobustRankError as error:
        if what and what not in str(error) and not isinstance(error, DataError):
            error.args = (f"{what}: {error}",)
        raise
