"""How an audit's records are written to its journal: one line of JSON each, whose ``kind`` says which type it is."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import or_

from robustrank.storage import typed
from robustrank.storage.journal import RecordFormat
from robustrank.work.check_records import CheckRecord
from robustrank.work.records import (
    AttackRecord,
    BaseRecord,
    CertificateRecord,
    EditRecord,
    ForeignRecord,
    RankingRecord,
    Record,
    SessionRecord,
    SetupRecord,
    VariationRecord,
)

SCHEMA = 5
"""Of a line of the journal."""

KINDS: tuple[type[BaseRecord], ...] = (
    RankingRecord, CheckRecord, AttackRecord, VariationRecord, EditRecord, CertificateRecord,
    SetupRecord, SessionRecord,
)  # fmt: skip
"""The types of record of every audit; protocols of other packages may add theirs."""


class AuditFormat(RecordFormat[Record]):
    """The format of an audit's journal.

    Args:
        own: Types of record of installed protocols, beside :data:`KINDS`.
    """

    def __init__(self, own: Sequence[type[BaseRecord]] = ()) -> None:
        kinds = (*KINDS, *own)
        super().__init__(reduce(or_, kinds), schema=SCHEMA)
        self._tags = {kind.__struct_config__.tag for kind in kinds}

    def loads(self, line: bytes) -> Record:
        """The record of a line; one of a kind that no installed protocol declares is a :class:`ForeignRecord`.

        Raises:
            WrongForm: The line is not a record of this format and schema.
        """
        try:
            return super().loads(line)
        except typed.WrongForm:
            data = typed.object_of(line, SCHEMA)
            if not isinstance(data.get("kind"), str) or data["kind"] in self._tags:
                raise
            fields = {name: data[name] for name in BaseRecord.__struct_fields__ if name in data}
            fields |= {"kind": "foreign", "written_as": data["kind"]}
            foreign: ForeignRecord = typed.convert(fields, ForeignRecord)
            return foreign


FORMAT = AuditFormat()
"""Of an audit without protocols of other packages."""
