"""Plug-ins that fail in the way that the query's text names: ``ranker exits``, ``attack hangs``, ``certifier dies``."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import StringIO
from random import Random

from robustrank.plugin import (
    Access,
    AttackSet,
    Case,
    Certificate,
    ConfigError,
    Document,
    Oracle,
    Perturbation,
    Query,
    RankerCard,
    Surface,
    ThreatModel,
    Variant,
)


class Odd(BaseException):
    """No exception of the usual kind."""


def fail(error: BaseException) -> None:
    raise error


def hang() -> None:
    while True:
        time.sleep(0.05)


FAILURES: dict[str, Callable[[], object]] = {
    "exits": lambda: sys.exit(0),
    "complains": lambda: sys.exit("no licence"),
    "raises": lambda: fail(ValueError("broken")),
    "oddly": lambda: fail(Odd("odd")),
    "configures": lambda: fail(ConfigError("not mine")),
    "interrupts": lambda: fail(KeyboardInterrupt()),
    "moves": lambda: os.chdir("/"),
    "closes": lambda: os.close(1),
    "replaces": lambda: setattr(sys, "stdout", StringIO()),
    "hangs": hang,
    "crashes": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    "dies": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "leaves": lambda: os._exit(0),
}


def act(who: str, query: str) -> None:
    """Fail if the query says that this plug-in does."""
    plugin, _, how = query.partition(" ")
    if plugin == who:
        FAILURES[how.split()[0]]()


@dataclass(frozen=True, kw_only=True)
class Failing:
    """Fails while it is built.

    Args:
        fails: How, of :data:`FAILURES`.
    """

    fails: str = ""

    def __post_init__(self) -> None:
        if self.fails:
            FAILURES[self.fails]()


@dataclass(frozen=True, kw_only=True)
class Ranker(Failing):
    """Scores by the share of the query's words that a document holds, and then by its length.

    Args:
        loads: How its weights fail to load, on first use.
        differs: Whether it is another ranker in every process.
    """

    loads: str = ""
    differs: bool = False

    @property
    def card(self) -> RankerCard:
        if self.loads:
            FAILURES[self.loads]()
        return RankerCard(name="made up", fingerprint=str(os.getpid()) if self.differs else "1")

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        act("ranker", query.text)
        wanted = set(query.text.split())
        return [len(wanted & set(doc.text.split())) + 1 / (1 + len(doc.text)) for doc in docs]


@dataclass(frozen=True, kw_only=True)
class Attack(Failing):
    """Puts the query's last word in front."""

    @property
    def threat(self) -> ThreatModel:
        return ThreatModel(surface=Surface.DOCUMENT, access=Access.SCORES, edits=AttackSet(operation="insert"))

    def perturb(self, case: Case, oracle: Oracle, rng: Random, /) -> Perturbation:
        act("attack", case.query.text)
        perturbation = Perturbation(target=f"{case.query.text.split()[-1]} {case.target.text}")
        oracle.score([perturbation])
        return perturbation


@dataclass(frozen=True)
class Defended:
    """The ranker, with certificates that claim nothing."""

    ranker: Ranker

    @property
    def card(self) -> RankerCard:
        return RankerCard(name=f"defended {self.ranker.card.name}", fingerprint="1")

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        act("defense", query.text)
        return self.ranker.score(query, docs)

    def certify(
        self, query: Query, docs: Sequence[Document], k: Sequence[int], radius: Sequence[int], /
    ) -> list[Certificate]:
        act("certifier", query.text)
        return []


@dataclass(frozen=True, kw_only=True)
class Defense(Failing):
    """Changes nothing."""

    def wrap(self, ranker: Ranker, /) -> Defended:
        return Defended(ranker)


@dataclass(frozen=True, kw_only=True)
class Variation(Failing):
    """Every query as it is."""

    def variants(self, query: Query, rng: Random, /) -> list[Variant]:
        act("variation", query.text)
        return [Variant("none", query.text)]
