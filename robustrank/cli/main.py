"""The command line. Heavy modules are imported inside the command that needs them.

Exit codes: 0 all gates held, 1 a gate was not held, 2 usage or configuration, 3 could not run, 130 stopped by Ctrl-C,
143 stopped by SIGTERM.
"""

from __future__ import annotations

import errno
import sys
from dataclasses import replace
from io import TextIOWrapper
from pathlib import Path
from typing import Any, Literal

import click

from robustrank.cli import checking, init_command, judging
from robustrank.cli.completion import plugin_names
from robustrank.cli.judging import STORE, audited
from robustrank.core import plugin_spec
from robustrank.core.errors import RobustRankError, naming
from robustrank.core.interrupts import Stopped
from robustrank.plugins.registry import KINDS
from robustrank.work.executors import DEFAULT


class _Shell(click.Group):
    """Maps errors to exit codes."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, TextIOWrapper):  # a verdict is not lost to a terminal that lacks a character
                stream.reconfigure(errors="backslashreplace")
        try:
            return super().invoke(ctx)
        except RobustRankError as error:
            from robustrank.core.escaping import for_terminal

            click.echo(f"robustrank: {for_terminal(str(error))}", err=True)
            ctx.exit(error.exit_code)
        except KeyboardInterrupt as stop:
            again = "the same command resumes" if ctx.invoked_subcommand == "audit" else "no data is lost"
            click.echo(f"\nrobustrank: stopped; finished tasks are recorded, and {again}", err=True)
            ctx.exit(128 + (stop.number if isinstance(stop, Stopped) else 2))
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except (OSError, MemoryError, RecursionError) as error:
            click.echo(f"robustrank: {_refused(error)}", err=True)
            ctx.exit(3)
        except Exception:
            import traceback

            traceback.print_exc()
            click.echo("robustrank: this is a bug in RobustRank or in a plug-in; see the traceback above", err=True)
            ctx.exit(3)


def _refused(error: BaseException) -> str:
    """What the system refused, and what to do about it."""
    from robustrank.core.escaping import for_terminal

    if isinstance(error, MemoryError):
        return "not enough memory; use fewer workers (--executor), a smaller collection or a smaller `depth`"
    if isinstance(error, RecursionError):
        return "a file is nested too deeply to be read"
    hints = {
        errno.ENOSPC: "free some space and run the same command: finished tasks are recorded",
        errno.EDQUOT: "free some space and run the same command: finished tasks are recorded",
        errno.EMFILE: "raise the limit of open files (ulimit -n) or use fewer workers",
        errno.ENFILE: "the whole system has too many files open; try again later",
        errno.EACCES: "check the permissions",
        errno.EROFS: "give --out a folder that can be written",
    }
    hint = hints.get(getattr(error, "errno", None) or 0, "")
    return for_terminal(f"the system refused: {error}{'; ' + hint if hint else ''}")


@click.group(cls=_Shell, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="robustrank")
@click.option("-v", "--verbose", count=True, help="Log what runs to stderr; twice: of libraries too.")
def main(verbose: int) -> None:
    """Audit how robust a ranker is: i.i.d., out of distribution, under attack, and with certificates."""
    if verbose:
        import logging

        logging.basicConfig(format="%(asctime)s %(name)s %(levelname)s %(message)s")
        logging.getLogger("robustrank" if verbose == 1 else None).setLevel(logging.INFO)


@main.command()
@click.argument("file", required=False)
@click.option("--quick", is_flag=True, help="The bundled audit of about two minutes instead of the default one.")
@click.option("--suite", help="Attack with a fixed set of attacks too: standard.")
@click.option(
    "--out", type=click.Path(path_type=Path), default=STORE, show_default=True, help="Folder that holds audits."
)
@click.option("--fresh", is_flag=True, help="Move the records of earlier runs aside and start over.")
@click.option("--limit", type=click.IntRange(min=0), help="Run at most this many tasks, then summarise.")
@click.option("--pairs", type=click.IntRange(min=1), help="Start no task after scoring this many pairs; resumable.")
@click.option("--minutes", type=click.FloatRange(min=0), help="Start no task after this many minutes; resumable.")
@click.option(
    "--executor",
    default=DEFAULT,
    show_default=True,
    help="Where tasks run: processes, threads (for services), ray, or serial (in this process).",
)
@click.option("--task-timeout", type=click.FloatRange(min=0, min_open=True), help="Seconds that one task may take.")
@click.option("--plan", is_flag=True, help="Only estimate cost and minimum detectable differences.")
def audit(
    file: str | None,
    quick: bool,
    suite: str | None,
    out: Path,
    fresh: bool,
    limit: int | None,
    pairs: int | None,
    minutes: float | None,
    executor: str,
    task_timeout: float | None,
    plan: bool,
) -> None:
    """Run or resume an audit.

    Without FILE, the bundled default audit runs; `robustrank init` writes a FILE to start from. The exit code is 1 when
    a gate of the audit file does not hold, and 3 when nothing could be measured.
    """
    if file is not None and quick:
        raise click.UsageError("give an audit file or --quick, not both")
    from robustrank.config import audit_file
    from robustrank.judging import checks, gate
    from robustrank.plugins import registry

    spec = audit_file.load(file or ("quick" if quick else "default"), suite=suite)
    if task_timeout is not None:
        spec = replace(spec, task_timeout=task_timeout)
    with naming(file):
        checks.check(spec)
    if plan:
        from robustrank.auditing import cost
        from robustrank.report import terminal

        with naming(file):
            estimates = cost.plan(spec)
        for part in terminal.plan(estimates):
            terminal.open_console().print(part)
        return
    runner = registry.build("executor", plugin_spec.parse(executor))
    from robustrank.auditing import run as auditing
    from robustrank.auditing.session import Allowance
    from robustrank.report import terminal

    folder = auditing.folder(spec, out)
    allowance = Allowance(tasks=limit, pairs=pairs, minutes=minutes)
    with naming(file), terminal.watching() as progress:
        summary = auditing.run(spec, folder, executor=runner, fresh=fresh, allowance=allowance, progress=progress)
    screen = terminal.open_console()
    for part in terminal.overview(summary):
        screen.print(part)
        screen.print()
    click.echo(f"report   {folder / 'report.html'}\nsummary  {folder / 'summary.json'}")
    click.echo(f"next     {terminal.next_step(summary)}")
    sys.exit(gate.exit_code(summary))


@main.command("list")
@click.argument("kind", type=click.Choice(list(KINDS)), required=False)
def list_(kind: str | None) -> None:
    """List installed plug-ins (of one KIND)."""
    from robustrank.plugins import catalogue

    entries = catalogue.entries(kind)
    names, targets = (max((len(entry[i]) for entry in entries), default=0) for i in (1, 2))
    for entry in entries:
        click.echo(f"{entry.kind:<12} {entry.name:<{names}}  {entry.target:<{targets}}  {entry.version}")


@main.command()
@click.argument("kind", type=click.Choice(list(KINDS)))
@click.argument("name", shell_complete=plugin_names)
def show(kind: str, name: str) -> None:
    """Show a plug-in's description and parameters."""
    from robustrank.plugins import catalogue, registry

    click.echo(f"{kind} {name}: {registry.target(kind, name)} ({registry.version(kind, name)})\n")
    click.echo(catalogue.document(kind, name))
    if kind == "attack" and (known := catalogue.known_as(name)):
        click.echo(f"\nKnown as: {'; '.join(known)}")
    parameters = catalogue.parameters(kind, name)
    click.echo("\nParameters:" if parameters else "\nNo parameters.")
    for parameter in parameters:
        default = f" = {parameter.default}" if parameter.default else "  (required)"
        click.echo(f"  {parameter.name}: {parameter.type}{default}")


@main.command()
@click.argument("file")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=STORE / "training",
    show_default=True,
    help="Folder that holds trained models.",
)
def train(file: str, out: Path) -> None:
    """Train a small ranker from teachers' scores or from judgments, as FILE describes; resumes a stopped run."""
    from robustrank.report import terminal
    from robustrank.training import distill

    with terminal.watching() as progress:
        folder = distill.run(file, out, progress)
    click.echo(f"model    {folder}")


@main.command()
@click.argument("file")
@click.option(
    "--models",
    type=click.Path(path_type=Path),
    default=STORE / "variants",
    show_default=True,
    help="Folder that holds trained models.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), default=STORE, show_default=True, help="Folder that holds audits."
)
@click.option("--executor", default=DEFAULT, show_default=True, help="Where tasks run, as of `audit`.")
@click.option("--train-only", is_flag=True, help="Train what is not there, and audit nothing.")
def variants(file: str, models: Path, out: Path, executor: str, train_only: bool) -> None:
    """Train variants of a ranker and audit all of them against it, as FILE describes; resumes a stopped run.

    The exit code is that of `audit`: 1 when a gate of the audit does not hold.
    """
    from robustrank.auditing import run as auditing
    from robustrank.core.escaping import for_terminal
    from robustrank.judging import checks, gate
    from robustrank.plugins import registry
    from robustrank.protocols.variants import PROTOCOL
    from robustrank.report import terminal
    from robustrank.training import variants as training

    spec, folder = training.load(file), Path(file).parent
    planned = training.plan(spec, folder, models)
    checks.check(training.audit_spec(spec, folder, planned))
    with terminal.watching() as progress:
        training.train(planned, models, progress)
        if train_only:
            return
        audited = training.audit_spec(spec, folder, planned)
        runner = registry.build("executor", plugin_spec.parse(executor))
        where = auditing.folder(audited, out)
        summary = auditing.run(audited, where, executor=runner, progress=progress)
    screen = terminal.open_console()
    for part in terminal.overview(summary):
        screen.print(part)
        screen.print()
    result = PROTOCOL.result_in(summary)
    for row in result.rows if result else ():
        click.echo(for_terminal(f"{row.variant}: {row.sentence}"))
    click.echo(f"\nreport   {where / 'report.html'}\nsummary  {where / 'summary.json'}")
    sys.exit(gate.exit_code(summary))


@main.command()
@click.argument("file")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=STORE / "topics",
    show_default=True,
    help="Folder that holds studies.",
)
def topics(file: str, out: Path) -> None:
    """Attack documents for groups of queries, as FILE describes; resumes a stopped run."""
    from robustrank.report import terminal
    from robustrank.topics import spec, study

    wanted = spec.load(file)
    folder = study.folder(wanted, out)
    with terminal.watching() as progress:
        study.run(wanted, folder, progress)
    click.echo(f"report   {folder / 'report.md'}\nsummary  {folder / 'summary.json'}")


@main.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), default=STORE, show_default=True, help="Folder that holds audits."
)
@click.option(
    "--marks", type=click.Path(path_type=Path), help="Embed the review marks of this file, exported from a report."
)
@click.option("--csv", "sheet", type=click.Path(path_type=Path), help="Also write all attacked cases to this file.")
@click.option(
    "--since",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Say what changed since the audit of this summary.json.  [default: the one before it in --out]",
)
def report(folder: Path, out: Path, marks: Path | None, sheet: Path | None, since: Path | None) -> None:
    """Rebuild summary and report from the records.

    DIR is an audit folder or its audit file.
    """
    from robustrank.auditing import state

    folder = audited(folder, out)
    from robustrank.report import marks as reviewed

    review_marks = reviewed.read(marks) if marks else {}
    summary = state.summarise(folder, review_marks, since)
    if marks:
        click.echo(f"marks: {reviewed.summary_line(review_marks)}", err=True)
    if sheet:
        from robustrank.report import sheet as sheets

        click.echo(f"{sheet}: {sheets.write(summary, sheet, review_marks)} cases", err=True)
    click.echo(folder / "report.html")


@main.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.argument("to", metavar="TO", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--out", type=click.Path(path_type=Path), default=STORE, show_default=True, help="Folder that holds audits."
)
@click.option("--format", "form", type=click.Choice(("csv", "parquet")), default="csv", show_default=True)
def export(folder: Path, to: Path, out: Path, form: Literal["csv", "parquet"]) -> None:
    """Write figures, clean queries, attacked cases and gates as tables into the folder TO.

    DIR is an audit folder or its audit file. Parquet needs the extra `data`.
    """
    from robustrank import api

    for path in api.load(audited(folder, out)).write(to, form):
        click.echo(path)


@main.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--where", multiple=True, metavar="NAME=VALUE", help="Only records with this value; repeatable.")
def trace(folder: Path, where: tuple[str, ...]) -> None:
    """Print the records behind a figure, one line of JSON each.

    Names are those of the records: kind (ranking, variation, edit, attack, certificate, check), ranker, collection,
    query_id, variation, attack, stratum. `robustrank trace DIR --where kind=variation --where ranker=BM25`
    """
    import json

    from robustrank.protocols.installed import record_format
    from robustrank.storage import journal, typed

    if not all("=" in pair for pair in where):
        raise click.UsageError("--where needs NAME=VALUE")
    wanted = [pair.partition("=") for pair in where]
    for record in map(typed.plain, journal.read(folder, record_format()).values()):
        if all(str(record.get(name)) == value for name, _, value in wanted):
            click.echo(json.dumps(record, ensure_ascii=True))


@main.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), default=STORE, show_default=True, help="Folder that holds audits."
)
def status(folder: Path, out: Path) -> None:
    """Show the progress of an audit, which may be running.

    DIR is an audit folder or its audit file.
    """
    from robustrank.auditing import plan

    folder = audited(folder, out)
    progress = plan.progress(folder)
    for phase in progress.phases:
        count = "not planned yet" if phase.planned is None else f"{phase.done} of {phase.planned}"
        failed = f", {phase.failed} of them failed; the audit's command does these again" if phase.failed else ""
        click.echo(f"{phase.phase:<12} {count}{failed}")
    click.echo("finished" if progress.finished else "not finished; the audit's command goes on from here")


for command in (
    init_command.init,
    checking.check,
    judging.audit_certificate,
    judging.gate_,
    judging.compare,
    judging.leaderboard,
    judging.bundle,
):
    main.add_command(command)
