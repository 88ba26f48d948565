"""What an audit folder holds: its audit file, how far it is, its figures. Records and plan decide, nothing else.

``summary.json`` is a copy that is believed only while it fits the records and the plan it was made from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from robustrank.auditing import history
from robustrank.auditing.phases import PHASES
from robustrank.auditing.plan import PLAN, Plan, read_plan
from robustrank.config.specs import AuditSpec
from robustrank.core.collecting import put_off
from robustrank.core.errors import StoreError
from robustrank.core.flags import Check
from robustrank.judging.gate import judge
from robustrank.plugins import registry
from robustrank.protocols.installed import protocols, record_format
from robustrank.protocols.summarise import summarise as summary_of
from robustrank.report import html as report
from robustrank.report.marks import Marks
from robustrank.results import summary
from robustrank.results.red_flags import RedFlag, Severity
from robustrank.results.summary import Summary
from robustrank.storage import files, typed
from robustrank.storage import journal as store
from robustrank.work.records import ForeignRecord, Record, SessionRecord, SetupRecord

SPEC_SCHEMA = 3
"""Of ``spec.json``."""

SPEC = "spec.json"
SUMMARY = history.SUMMARY
REPORT = "report.html"


class Current(NamedTuple):
    """The figures of an audit folder."""

    summary: Summary
    note: str
    """Why they were made from the records, in one line; empty where ``summary.json`` has them."""


def summarise(where: Path, marks: Marks | None = None, since: Path | None = None) -> Summary:
    """Make summary and report of an audit folder again from its records.

    Args:
        where: The audit folder.
        marks: Review marks for the report.
        since: The summary that the report compares it with; default that of the audit before it, where there is one.
    """
    spec = load_spec(where)
    earlier = summary.read(since) if since else None
    return judged(_from_records(where, spec), spec, where, marks, earlier)


def current(where: Path) -> Current:
    """The figures of an audit folder: those of its summary, or made from the records where that does not fit them.

    Raises:
        StoreError: There are neither.
    """
    path = where / SUMMARY
    try:
        kept = summary.read(path)
    except StoreError as error:
        if not (where / "records").is_dir():
            raise
        why = f"{path.name} is missing" if not path.exists() else str(error)
    else:
        if not (where / "records").is_dir() or kept.made_from == stamp(where):
            return Current(kept, "")
        why = f"{path} is older than the records, the plan, the audit file or the installed version"
    spec = load_spec(where)
    result = _from_records(where, spec)
    result = replace(result, verdicts=judge(spec.gates, result, spec.ratchet))
    return Current(result, f"{why}; the figures are made from the records")


def unchanged(where: Path, spec: AuditSpec) -> Summary | None:
    """The summary as it was written, where a new one would be the same; ``None`` where it may not be.

    Args:
        where: The audit folder.
        spec: Its audit file; the gates are judged again, as the file that they compare with may have changed.
    """
    if not (where / REPORT).is_file():
        return None
    try:
        kept = summary.read(where / SUMMARY)
    except StoreError:
        return None
    same = kept.made_from == stamp(where) and kept.verdicts == judge(spec.gates, kept, spec.ratchet)
    return kept if same else None


def stamp(where: Path) -> str:
    """A hash of all that figures are made from: plan, records, audit file, and the versions that make them."""
    content = blake2b(repr([registry.version("protocol", each.name) for each in protocols()]).encode(), digest_size=12)
    for path in (where / PLAN, where / SPEC, *store.files_of(where)):
        try:
            content.update(path.read_bytes())
        except FileNotFoundError:
            continue
        except OSError as error:
            raise StoreError(f"{path}: cannot be read: {error}") from error
    return content.hexdigest()


def load_spec(where: Path) -> AuditSpec:
    """The audit file an audit folder was made with.

    Raises:
        StoreError: The folder holds none.
    """
    path = where / SPEC
    try:
        text = files.read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"{where}: not an audit folder (no readable spec.json)") from error
    try:
        spec: AuditSpec = typed.loads(text, AuditSpec, SPEC_SCHEMA)
    except typed.WrongForm as error:
        raise StoreError(f"{path}: {error}; run the audit's command again") from error
    return spec


def write_spec(spec: AuditSpec, where: Path) -> None:
    """Write the audit file, resolved and as it is."""
    files.replace(where / SPEC, typed.dumps(spec, SPEC_SCHEMA, indent=1))
    files.replace(where / "audit.toml", spec.source)


@put_off()
def sum_up(records: Mapping[str, Record], spec: AuditSpec, plan: Plan, *, finished: bool) -> Summary:
    """The summary of the records that are in the plan.

    Raises:
        StoreError: A record of a phase that every audit has is of a kind that no installed protocol declares, or there
            is no record yet of what the audit is made of.
    """
    _check_kinds(records, plan)
    live = plan.live
    current = {key: r for key, r in records.items() if key in live or isinstance(r, SessionRecord)}
    if not any(isinstance(record, SetupRecord) for record in current.values()):
        raise StoreError("no figures yet: the audit has only begun; run its command again")
    result = summary_of(current, spec, finished=finished)
    if plan.sequential is None:
        return result
    flag = RedFlag(
        check=Check.SEQUENTIAL,
        severity=Severity.WARNING,
        title="The gates determined the number of queries",
        detail="the intervals of the gates hold at any time; all others assume a number fixed in advance and are "
        "too narrow because of repeated looks",
    )
    return replace(result, sequential=plan.sequential, red_flags=[*result.red_flags, flag])


@put_off()
def judged(
    result: Summary, spec: AuditSpec, where: Path, marks: Marks | None = None, earlier: Summary | None = None
) -> Summary:
    """Judge the gates and write summary and report: without verdicts, where judging raises an error."""
    result = replace(result, made_from=stamp(where))
    try:
        verdicts = judge(spec.gates, result, spec.ratchet)
    except Exception:
        _write(result, where, marks, earlier)
        raise
    return _write(replace(result, verdicts=verdicts), where, marks, earlier)


def _from_records(where: Path, spec: AuditSpec) -> Summary:
    records, plan = store.read(where, record_format()), read_plan(where)
    try:
        return sum_up(records, spec, plan, finished=plan.finished(records.keys()))
    except StoreError as error:
        raise StoreError(f"{where}: {error}") from error


def _check_kinds(records: Mapping[str, Record], plan: Plan) -> None:
    """A damaged kind must not pass for a protocol that is gone: the record would leave n without a word."""
    for phase in ("setup", *(phase.name for phase in PHASES)):
        present = [records[key] for key in plan.phases.get(phase, ()) if key in records]
        foreign = [record for record in present if isinstance(record, ForeignRecord)]
        if foreign:
            raise StoreError(
                f"{len(foreign)} record(s) of the phase {phase} have a kind that no installed protocol declares, "
                f"the first {foreign[0].written_as!r} (key {foreign[0].key}); delete the damaged lines "
                "and run the audit again"
            )


def _write(result: Summary, where: Path, marks: Marks | None, earlier: Summary | None) -> Summary:
    history.keep(where, result)
    summary.write(result, where / SUMMARY)
    report.write(result, where / REPORT, marks, earlier or history.earlier(where, result))
    return result
