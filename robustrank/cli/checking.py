"""The command that checks a plug-in (:mod:`robustrank.cli.main` adds it); two rankers of an audit file compared."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from robustrank.cli.completion import plugin_names
from robustrank.core import plugin_spec
from robustrank.core.errors import naming
from robustrank.core.escaping import for_terminal

if TYPE_CHECKING:
    from robustrank.core.interfaces import Ranker
    from robustrank.testing.score_doctor import Lists, Twins


@click.command()
@click.argument("kind", type=click.Choice(("ranker", "attack", "defense", "detector")))
@click.argument("name", required=False, shell_complete=plugin_names)
@click.option("--file", help="Check a ranker of this audit file, on lists of its home collection.")
@click.option("--ranker", help="Name of the ranker in the audit file; NAME serves as well.")
@click.option("--lists", type=click.IntRange(min=1), default=3, show_default=True, help="Lists of the audit file.")
def check(kind: str, name: str | None, file: str | None, ranker: str | None, lists: int) -> None:
    """Check that a plug-in satisfies its contract, and of a ranker show what its scores are like.

    The check runs on six short texts, edge cases included.

    NAME may include parameters: "query_injection(place='end')". With --file it is the name of a ranker there.
    """
    from robustrank.plugins import registry
    from robustrank.testing import sample_lists, score_doctor

    wanted = ranker or name
    if wanted is None or (file is not None and kind != "ranker") or (ranker is not None and file is None):
        raise click.UsageError("give the plug-in's name, or of a ranker --file AUDIT --ranker NAME")
    if file is not None:
        (built,), asked = _of_file(file, [wanted], lists)
        _say(score_doctor.diagnose(built, asked).lines())
        sample_lists.check(built)
    else:
        plugin = registry.build(kind, plugin_spec.parse(wanted))
        with naming(f"{kind} {wanted}"):
            if kind == "ranker":
                _say(score_doctor.diagnose(*sample_lists.asked(plugin)).lines())
            sample_lists.check(plugin)
    click.echo(f"{kind} {for_terminal(wanted)} passes the contract checks")


def twins_of_file(file: Path, names: tuple[str, str], lists: int) -> Twins:
    """Ask two rankers of an audit file about its first lists."""
    from robustrank.testing import score_doctor

    (a, b), asked = _of_file(file, names, lists)
    return score_doctor.twins(score_doctor.asked(a, b, asked))


def _of_file(file: str | Path, names: Sequence[str], count: int) -> tuple[list[Ranker], Lists]:
    """Rankers of an audit file, fitted to its home collection, and that collection's first lists."""
    from robustrank.config import audit_file
    from robustrank.config.tables import check_name
    from robustrank.work.workbench import Workbench

    spec = audit_file.load(file)
    for name in names:
        check_name(name, [victim.name for victim in spec.victims], f"{file}: ranker")
    bench = Workbench(spec)
    home = bench.lists(spec.home.name)
    asked = [(query, home.candidates[i]) for i, query in home.queries.items() if home.candidates[i]][:count]
    asked.sort(key=lambda pair: pair[0].query_id)  # as records are read
    return [bench.victim(name, spec.home.name).uncached.ranker for name in names], asked


def _say(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(for_terminal(line))
