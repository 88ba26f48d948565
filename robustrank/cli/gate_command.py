"""``robustrank gate``: verdicts on an audit that has run, in the requested format; and the ratchet file."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import click

from robustrank.auditing import state
from robustrank.config.specs import AuditSpec, GateSpec
from robustrank.core.errors import ConfigError, StoreError
from robustrank.core.escaping import for_terminal
from robustrank.judging import formats, gate
from robustrank.judging import ratchet as ratchets
from robustrank.results.figures import Figure
from robustrank.results.red_flags import accept
from robustrank.results.summary import Summary
from robustrank.results.verdicts import Verdict, sentence

JOB_SUMMARY = "GITHUB_STEP_SUMMARY"
"""Environment variable by which GitHub Actions names the file of a step's summary."""


@dataclass(frozen=True, kw_only=True)
class Judged:
    """An audit folder and the gates to judge it by.

    Args:
        spec: The audit file with the gates.
        folder: The audit folder.
        path: Of the audit file, for messages.
        ratchet: Ratchet file in place of the one in the audit file.
    """

    spec: AuditSpec
    folder: Path
    path: Path
    ratchet: Path | None = None

    @cached_property
    def summary(self) -> Summary:
        """Summary of the audit, with the text of the file whose gates are judged.

        Raises:
            StoreError: It was not made from the records that are there, and these are of an audit that is not finished.
        """
        read, note = state.current(self.folder)
        if note and read.finished is None:
            raise StoreError(f"{note}, and the audit is not finished; run its command again before gates are judged")
        if note:
            click.echo(f"robustrank: {for_terminal(note)}", err=True)
        flags = accept(read.red_flags, self.spec.accepted)
        return replace(read, source=self.spec.source, red_flags=flags)

    @property
    def _ratchet(self) -> Path | None:
        return self.ratchet or (Path(self.spec.ratchet) if self.spec.ratchet else None)

    @cached_property
    def verdicts(self) -> list[Verdict]:
        """The verdicts on all gates."""
        return gate.judge(self.spec.gates, self.summary, self._ratchet)

    @property
    def exit_code(self) -> int:
        """0 when all gates hold, 1 when one does not, 3 when nothing could be measured."""
        return gate.exit_code(replace(self.summary, verdicts=self.verdicts))

    def show(self, format_: str) -> None:
        """Write the verdicts to standard output; for GitHub also to the job summary.

        Raises:
            StoreError: The job summary cannot be written.
        """
        if format_ == "text":
            from robustrank.report import terminal

            for part in terminal.gates(self.verdicts, self.summary.red_flags):
                terminal.open_console().print(part)
            return
        document = formats.GateReport(summary=self.summary, verdicts=self.verdicts, path=self.path)
        sys.stdout.write(formats.FORMATS[format_](document))
        page = os.environ.get(JOB_SUMMARY)
        if format_ == "github" and page:
            try:
                with Path(page).open("a", encoding="utf-8") as file:
                    file.write(formats.as_markdown(document))
            except OSError as error:
                raise StoreError(f"{page} ({JOB_SUMMARY}): cannot be written: {error}") from error

    def update(self, *, force: bool) -> list[str]:
        """Write the ratchet file with the figures of all ``worse_by`` gates; what was written, in lines.

        Raises:
            ConfigError: Nothing to hold, an unfinished audit, a figure that is no measurement (also with ``force``),
                or gates that do not hold and no ``force``.
        """
        path = self._ratchet
        wanted = [g for g in self.spec.gates if g.worse_by is not None]
        if path is None or not wanted:
            raise ConfigError(f"{self.path}: no gate has worse_by, so the ratchet file would be empty")
        if self.summary.finished is None:
            raise ConfigError(f"{self.folder}: the audit is not finished; run its command again to resume")
        old = ratchets.read(path)
        if not force:
            self._check_held(old, path)
        figures: list[Figure] = []
        for each in wanted:
            figures += [f for f in gate.named(each, self.summary) if f not in figures]
        for figure in figures:
            if why := gate.unfit(figure, self.summary):
                raise ConfigError(f"{path} is not written: {figure} is no measurement to compare with: {why}")
        new = ratchets.updated(old, figures, self.summary, force=force)
        ratchets.write(new, path)
        kept = [held for held in new.figures if old and held in old.figures]
        count = f"{len(new.figures)} figure{'' if len(new.figures) == 1 else 's'}"
        return [f"wrote {path}: {count}, {len(kept)} of them unchanged"]

    def _check_held(self, old: ratchets.Ratchet | None, path: Path) -> None:
        """Whether all gates hold, except those whose figure the file does not have yet."""
        new = [g.name for g in self.spec.gates if g.worse_by is not None and not _covered(g, old, self.summary)]
        judged = gate.judge(self._others(new), self.summary, path)
        failed = [v.gate for v in judged if not v.held]
        if failed:
            raise ConfigError(f"{sentence(judged)}; {failed[0]!r} first; --force writes {path} regardless")

    def _others(self, names: list[str]) -> list[GateSpec]:
        return [g for g in self.spec.gates if g.name not in names]


def _covered(each: GateSpec, old: ratchets.Ratchet | None, current: Summary) -> bool:
    return old is not None and all(old.find(figure) for figure in gate.named(each, current))
