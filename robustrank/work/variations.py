"""The tasks in which nobody optimises: variants of queries, and documents that people edited to rank higher."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from msgspec import structs

from robustrank.config.specs import VariationSpec
from robustrank.core.ranking import checked_scores, rank_of
from robustrank.core.types import Document, Edit, Status
from robustrank.core.words import UNIT
from robustrank.plugins import registry
from robustrank.storage.hashing import digest
from robustrank.work.base import Place
from robustrank.work.records import EditedDocument, EditRecord, VariantValue, VariationRecord
from robustrank.work.workbench import QueryVariants, Workbench


@dataclass(frozen=True, kw_only=True)
class VaryTask:
    """Score one query's list, and the list retrieved anew, for every variant of the query.

    Args:
        place: The list.
        variation: Name of the variation in the audit file.
        clean_scores: The ranker's clean scores of the list.
        variants: The query's variants; a task carries them, so that no process makes others.
    """

    place: Place
    variation: str
    clean_scores: tuple[float, ...]
    variants: QueryVariants
    kind = "variation"

    @property
    def who(self) -> str:
        """The variation, and the ranker."""
        return f"variation {self.variation!r} on {self.place.ranker!r}"

    def key(self, bench: Workbench) -> str:
        """Hash of what the record depends on."""
        spec = self._spec(bench)
        made: list[object] = [[*v.variant, v.candidates] for v in self.variants.variants]
        if self.variants.error:
            made.append("failed")
        version = registry.version("variation", spec.plugin.use)
        measure, corrected = bench.spec.measures[0], self.place.corrected(bench)
        return digest(self.kind, self.place.identity(bench), self.variation, version, measure, made, *corrected)

    def perform(self, bench: Workbench) -> VariationRecord:
        """Per variant the lead measure of the fixed list and of the list retrieved with it; ``None``: not searched."""
        if self.variants.error:
            return self.failed(bench, self.variants.error)
        place, measure = self.place, bench.spec.measures[0]
        query, docs = place.query(bench), place.docs(bench)
        ranker, documents = place.victim(bench).ranker, bench.lists(place.collection).collection.documents
        ranker.remember(query, docs, self.clean_scores)

        def value(text: str, among: Sequence[Document]) -> float:
            scores = checked_scores(ranker, query._replace(text=text), among)
            return place.judged(bench, [measure], [(d.doc_id, s) for d, s in zip(among, scores, strict=True)])[measure]

        variants = [
            VariantValue(
                operation=each.variant.operation,
                text=each.variant.text,
                fixed=value(each.variant.text, docs),
                end=None
                if each.candidates is None
                else value(each.variant.text, [documents[i] for i in each.candidates]),
            )
            for each in self.variants.variants
        ]
        return structs.replace(self._empty(bench), clean=value(query.text, docs), variants=variants)

    def failed(self, bench: Workbench, error: str) -> VariationRecord:
        """A record without variations."""
        return structs.replace(self._empty(bench), status=Status.ERROR, error=error)

    def _empty(self, bench: Workbench) -> VariationRecord:
        return VariationRecord(
            **self.place.names(),
            variation=self.variation,
            plugin=str(self._spec(bench).plugin),
            measure=bench.spec.measures[0],
            query=self.place.query(bench).text,
            unit=UNIT,
        )

    def _spec(self, bench: Workbench) -> VariationSpec:
        return next(v for v in bench.spec.variations if v.name == self.variation)


@dataclass(frozen=True, kw_only=True)
class EditTask:
    """Ask whether a ranker falls for what people did to their documents, one query at a time.

    Each edited document is ranked among the documents it competed with, before and after the edit, all else unchanged.

    Args:
        place: Names ranker, collection and query; its list of candidates is not used.
    """

    place: Place
    kind = "edit"

    @property
    def who(self) -> str:
        """The ranker."""
        return f"ranker {self.place.ranker!r}"

    def key(self, bench: Workbench) -> str:
        """Hash of what the record depends on."""
        lists = bench.lists(self.place.collection)
        edits = [[*edit] for edit in edits_of(bench, self.place)]
        fingerprint = self.place.victim(bench).ranker.card.fingerprint
        content, corrected = lists.collection.digest, self.place.corrected(bench)
        if not self.place.victim(bench).ranker.card.pointwise:
            corrected.append("each edit in its own list")
        return digest(self.kind, self.place.ranker, fingerprint, content, self.place.query_id, edits, *corrected)

    def perform(self, bench: Workbench) -> EditRecord:
        """Rank, score and grade before and after each edit."""
        collection = bench.lists(self.place.collection).collection
        query, ranker = self.place.query(bench), self.place.victim(bench).ranker
        edits = edits_of(bench, self.place)

        def scored(ids: Sequence[str]) -> dict[str, float]:
            docs = [collection.documents[doc_id] for doc_id in ids]
            return dict(zip(ids, checked_scores(ranker, query, docs), strict=True))

        if ranker.card.pointwise:
            every = scored(sorted({doc_id for edit in edits for doc_id in (edit.before, edit.after, *edit.rivals)}))
            lists = [(every, every) for _ in edits]
        else:  # each in its own list, the version after in the place of the one before
            lists = [(scored(edit.rivals), scored(_with_version_after(edit))) for edit in edits]

        def rank(edit: Edit, doc_id: str, scores: Mapping[str, float]) -> int:
            rivals = [(i, scores[i]) for i in edit.rivals if i != edit.before]
            return rank_of(doc_id, scores[doc_id], rivals)

        edited = [
            EditedDocument(
                before=edit.before,
                after=edit.after,
                rivals=len(edit.rivals),
                rank_before=rank(edit, edit.before, before),
                rank_after=rank(edit, edit.after, after),
                score_before=before[edit.before],
                score_after=after[edit.after],
                grade_before=edit.grade_before,
                grade_after=edit.grade_after,
            )
            for edit, (before, after) in zip(edits, lists, strict=True)
        ]
        return EditRecord(**self.place.names(), query=query.text, edits=edited)

    def failed(self, bench: Workbench, error: str) -> EditRecord:
        """A record without edits."""
        query = self.place.query(bench).text
        return EditRecord(**self.place.names(), status=Status.ERROR, error=error, query=query)


def _with_version_after(edit: Edit) -> list[str]:
    return [edit.after if doc_id == edit.before else doc_id for doc_id in edit.rivals]


def edits_of(bench: Workbench, place: Place) -> list[Edit]:
    """The edits of one query that changed the text."""
    collection = bench.lists(place.collection).collection
    return [
        edit
        for edit in collection.edits
        if edit.query_id == place.query_id
        and collection.documents[edit.before].text != collection.documents[edit.after].text
    ]
