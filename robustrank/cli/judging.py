"""Commands on finished audits: gates, comparison, leaderboard (:mod:`robustrank.cli.main` adds them)."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from robustrank.cli import checking
from robustrank.core.errors import ConfigError
from robustrank.core.escaping import for_terminal

if TYPE_CHECKING:
    from robustrank.results.summary import Summary
    from robustrank.testing.score_doctor import Twins

STORE = Path(".robustrank")
"""Default folder of audits."""

FORMATS = ("text", "json", "junit", "sarif", "github", "markdown")
"""Of verdicts (:mod:`robustrank.judging.formats`)."""


def audited(path: Path, out: Path) -> Path:
    """The audit folder for a path: the path itself, or the folder of the audit file at that path."""
    if not path.is_file():
        return path
    from robustrank.auditing import run as auditing
    from robustrank.config import audit_file

    return auditing.folder(audit_file.load(path), out)


def figures(folder: Path) -> Summary:
    """The figures of an audit folder; where its summary does not have them, a line on stderr says so."""
    from robustrank.auditing import state

    current = state.current(folder)
    if current.note:
        click.echo(f"robustrank: {for_terminal(current.note)}", err=True)
    return current.summary


@click.command("audit-certificate")
@click.argument("names", nargs=-1)
@click.option(
    "--space",
    type=click.Choice(("substitution", "masking", "deletion", "erasure", "windows", "windows_apart", "highest_window")),
    help="For a function: kind of perturbation space.",
)
@click.option("--side", type=click.Choice(("upper", "lower")), help="For a function: side of the bound (upper).")
@click.option(
    "--cases", type=click.IntRange(min=1), default=2000, show_default=True, help="Number of spaces to search."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the random spaces.")
def audit_certificate(names: tuple[str, ...], space: str | None, side: str | None, cases: int, seed: int) -> None:
    """Search small perturbation spaces for a counterexample to a certified bound, and print the smallest.

    NAMES are bounds that are installed, or functions as module:function that take a
    robustrank.certificates.auditor.spaces.SmallSpace and return the bound. Without NAMES all that are installed are
    tried. Ends with code 1 when a bound does not hold.
    """
    from robustrank.certificates.auditor import run as certificate_audit
    from robustrank.certificates.auditor.search import described

    broken = False
    for name in names or certificate_audit.names():
        claim = certificate_audit.claim(name, space, side)
        verdict = certificate_audit.verdict(claim, cases=cases, seed=seed)
        broken |= verdict.example is not None
        click.echo(described(claim, verdict) + "\n")
    sys.exit(1 if broken else 0)


@click.command("gate")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--file", help="Evaluate the gates of this audit file instead of the audit's own.")
@click.option(
    "--out", type=click.Path(path_type=Path), default=STORE, show_default=True, help="Folder that holds audits."
)
@click.option(
    "--format", "format_", type=click.Choice(FORMATS), default="text", show_default=True, help="Output format."
)
@click.option("--ratchet", type=click.Path(path_type=Path), help="Compare with this file instead of the audit file's.")
@click.option("--update-ratchet", is_flag=True, help="Write the ratchet file if the gates hold.")
@click.option("--force", is_flag=True, help="Write it even if gates do not hold or figures became worse.")
def gate_(
    folder: Path,
    file: str | None,
    out: Path,
    format_: str,
    ratchet: Path | None,
    update_ratchet: bool,
    force: bool,
) -> None:
    """Evaluate the gates of an audit that has run.

    DIR is an audit folder, or the audit file that it was made from, whose gates are then judged. Ends with code 1
    unless all gates are held, and with 3 where the audit could not measure anything.
    `--format github` also writes a job summary where GitHub asks for one.
    """
    from robustrank.auditing import state
    from robustrank.cli import gate_command
    from robustrank.config import audit_file
    from robustrank.judging import checks

    path = Path(file) if file else folder if folder.is_file() else None
    folder = audited(folder, out)
    spec = audit_file.load(path) if path else state.load_spec(folder)
    if not spec.gates:
        raise ConfigError(f"{path or folder}: the file has no [[gate]]")
    checks.check(spec)
    judged = gate_command.Judged(spec=spec, folder=folder, path=path or folder / "audit.toml", ratchet=ratchet)
    if update_ratchet:
        for line in judged.update(force=force):
            click.echo(line)
        return
    judged.show(format_)
    sys.exit(judged.exit_code)


@click.command()
@click.argument("old", type=click.Path(path_type=Path))
@click.argument("new", type=click.Path(path_type=Path), required=False)
@click.option(
    "--rankers",
    nargs=2,
    metavar="A B",
    help="Compare ranker A of OLD with ranker B of NEW, or of OLD if NEW is not given.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), default=STORE, show_default=True, help="Folder that holds audits."
)
@click.option("--format", "format_", type=click.Choice(("text", "json")), default="text", show_default=True)
@click.option("--html", type=click.Path(path_type=Path), help="Also write a page with charts of the changes.")
@click.option(
    "--lists",
    type=click.IntRange(min=1),
    help="With --rankers: ask both about so many lists of the audit file OLD now.",
)
@click.option(
    "--check", "strict", is_flag=True, help="Exit with code 1 if a figure is, or may be, significantly worse."
)
def compare(
    old: Path,
    new: Path | None,
    rankers: tuple[str, str] | None,
    out: Path,
    format_: str,
    html: Path | None,
    lists: int | None,
    strict: bool,
) -> None:
    """Show regressions and improvements between two audits, or between two rankers of one.

    OLD and NEW are audit folders, or audit files. Everything is paired by query, with p values corrected after
    Holm. Ends with code 0 whatever changed, unless --check is given.

    Of two rankers of one audit it also shows how their scores agree (Kendall's tau, the largest difference, the first
    list in another order), as two that should be one, a model folder and its service, ought to. With --lists nothing
    needs to have run: only this is shown.
    """
    if new is None and rankers is None:
        raise click.UsageError("give a second audit, or --rankers A B for two rankers of one audit")
    if lists is not None:
        if rankers is None or new is not None or not old.is_file():
            raise click.UsageError("--lists needs an audit file and --rankers A B")
        _show_twins(checking.twins_of_file(old, rankers, lists), rankers, format_)
        return
    from robustrank.judging import compare as comparing

    before, after = (figures(audited(path, out)) for path in (old, new or old))
    if rankers:
        before, after = comparing.of_rankers(before, after, rankers)
    changes, notes = comparing.changes(before, after), comparing.caveats(before, after)
    comparing.check_any(changes)
    if format_ == "json":
        import json

        click.echo(json.dumps(comparing.as_data(changes, notes), indent=1))
    else:
        from robustrank.report import terminal

        screen = terminal.open_console()
        for part in (
            *(terminal.safe(f"note: {n}") for n in notes),
            terminal.changes(changes),
            *terminal.moved(changes),
        ):
            screen.print(part)
        if rankers and new is None and (seen := _recorded(audited(old, out), rankers)).lists:
            click.echo()
            _show_twins(seen, rankers, format_)
    if html:
        from robustrank.report import comparison

        comparison.write(before, after, changes, notes, html)
    sys.exit(int(strict and any(change.worse or change.invalid for change in changes)))


def _recorded(folder: Path, rankers: tuple[str, str]) -> Twins:
    """The recorded clean lists of two rankers, compared score by score."""
    from robustrank.protocols.installed import record_format
    from robustrank.storage import journal
    from robustrank.testing import score_doctor
    from robustrank.work.records import RankingRecord

    by_list: dict[tuple[str, str], dict[str, RankingRecord]] = {}
    for record in journal.read(folder, record_format()).values():
        if isinstance(record, RankingRecord) and record.ranker in rankers and record.scores:
            by_list.setdefault((record.collection, record.query_id), {})[record.ranker] = record
    a, b = rankers
    return score_doctor.twins(
        score_doctor.Pair(query, each[a].doc_ids, each[a].scores, each[b].scores)
        for (_, query), each in sorted(by_list.items())
        if a in each and b in each and each[a].doc_ids == each[b].doc_ids
    )


def _show_twins(twins: Twins, names: tuple[str, str], format_: str) -> None:
    if format_ == "json":
        import json

        from robustrank.storage.typed import plain

        click.echo(json.dumps(plain(twins), indent=1))
        return
    for line in twins.lines(names):
        click.echo(for_terminal(line))


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("leaderboard.html"), show_default=True, help="Output file."
)
def leaderboard(folder: Path, out: Path) -> None:
    """Write one page of all audits in DIR, ordered by the strongest known attack."""
    from robustrank.report import leaderboard as boards

    count = boards.write(folder, out, lambda path: figures(path.parent))
    click.echo(f"{out}: {count} rankers")


@click.command()
@click.argument("places", metavar="DIR...", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("audits"), show_default=True, help="Folder of the pages."
)
@click.option(
    "--back", type=click.IntRange(min=0), help="Compare each audit with at most so many before it.  [default: all]"
)
def bundle(places: tuple[Path, ...], out: Path, back: int | None) -> None:
    """Write pages about several audits: an index, their reports, gates over time, comparisons.

    DIR is a folder that is searched for audits at any depth, or a summary.json. The pages need no server and load
    nothing from elsewhere: OUT/index.html opens from disk, or any web server serves the folder. The same command renews
    them.
    """
    from robustrank.report import bundle as bundles

    def note(line: str) -> None:
        click.echo(for_terminal(line), err=True)

    written = bundles.write(places, out, _kept, back=back, note=note)
    for path, reason in written.left_out:
        note(f"left out: {path}: {reason}")
    click.echo(
        f"{written.index}: {written.audits} audits, {written.trends} gates over time, {written.comparisons} comparisons"
    )


def _kept(path: Path) -> Summary:
    """The figures of the audit whose summary is, or would be, at a path."""
    from robustrank.results import summary

    return figures(path.parent) if path.name == "summary.json" else summary.read(path)
