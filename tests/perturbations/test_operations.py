"""Operations of edits: one declaration is all that the harness, the reports and the certificates need."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import product
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from robustrank.core.errors import PluginError
from robustrank.core.types import Access, AttackSet, Budget, Case, Document, Perturbation, Query, Surface, ThreatModel
from robustrank.core.words import words
from robustrank.perturbations import operations
from robustrank.perturbations.alignment import edit_distance, one_character_edit
from robustrank.perturbations.edited import Edited
from robustrank.perturbations.operations import Operation, covers
from robustrank.perturbations.verify import verify
from robustrank.plugin import declare


def check(name: str, before: str, after: str, substitutes: str | None = None) -> Edited:
    return operations.named(name).check(before, after, AttackSet(operation=name, substitutes=substitutes))


@pytest.fixture
def delete() -> Iterator[Operation]:
    """An operation as a plug-in would declare it, in one piece."""

    def deleted(before: str, after: str, allowed: AttackSet) -> Edited:
        old, new = ([word.text for word in words(text)] for text in (before, after))
        rest = iter(old)
        kept = all(word in rest for word in new)
        return Edited(len(old) - len(new) if kept else edit_distance(old, new), () if kept else ("adds a word",))

    operation = Operation(
        name="shorten", words="words taken out", check=deleted, within=frozenset({"edit"}), untested="deleted text"
    )
    yield declare(operation)
    operations._DECLARED.pop("shorten")


def test_one_declaration_is_checked_counted_budgeted_named_and_covered(delete: Operation) -> None:
    target = Document("d", "a small red car")
    case = Case(Query("q", "car"), target, (target,))
    threat = ThreatModel(surface=Surface.DOCUMENT, access=Access.NONE, edits=AttackSet(operation="shorten"))
    fine = verify(case, Perturbation(target="red car"), threat, Budget(edits=2))
    assert (fine.edits, fine.violations) == (2, ())
    assert verify(case, Perturbation(target="red car"), threat, Budget(edits=1)).violations == (
        "2 words edited, the budget is 1",
    )
    assert verify(case, Perturbation(target="a new car"), threat, Budget(edits=3)).violations == ("adds a word",)
    assert operations.phrase(str(threat.edits)) == "words taken out"
    assert operations.not_made(["insert", "substitute(wordnet)", "render"]) == ["deleted text"]
    assert operations.not_made(["insert", "substitute(wordnet)", "render", "shorten"]) == []
    everything, replaced = AttackSet(operation="edit"), AttackSet(operation="replace")
    assert covers(everything, threat.edits)
    assert covers(threat.edits, threat.edits)
    assert not covers(replaced, threat.edits)
    assert not covers(threat.edits, everything)


def test_a_name_stands_for_one_operation(delete: Operation) -> None:
    assert declare(delete) is delete
    with pytest.raises(PluginError, match="'shorten' is declared twice"):
        declare(Operation(name="shorten", words="other", check=delete.check))
    for name in ("", "Delete", "two words", "x(y)"):
        with pytest.raises(PluginError, match="lower-case letters and underscores"):
            declare(Operation(name=name, words="", check=delete.check))


def test_an_undeclared_operation_is_refused_with_the_nearest_name_but_still_read_from_records() -> None:
    with pytest.raises(
        PluginError, match=r"'insrt' is not declared; did you mean 'insert'\? \(have: delete, edit, insert, "
    ):
        operations.named("insrt")
    with pytest.raises(
        PluginError,
        match=r"'zzz' is not declared \(have: delete, edit, insert, insert_block, ",
    ):
        operations.named("zzz")
    assert operations.phrase("zzz(x)") == "zzz(x)"
    assert covers(AttackSet(operation="zzz"), AttackSet(operation="zzz"))
    assert not covers(AttackSet(operation="zzz"), AttackSet(operation="insert"))
    assert not covers(AttackSet(operation="edit"), AttackSet(operation="zzz"))


def test_reports_name_operations_and_tables_in_words() -> None:
    assert operations.phrase("substitute(wordnet|glove)") == "words replaced by substitutes (wordnet or glove)"
    assert operations.phrase("insert") == "words inserted"
    assert operations.phrase("misspell") == "words misspelt"
    assert operations.phrase("replace") == "words replaced by any others"
    assert operations.phrase("edit") == "words inserted, deleted or replaced"
    assert operations.phrase("insert now") == "insert now"


@pytest.mark.parametrize(
    ("after", "block", "start", "end"),
    [
        ("a b a b", True, True, True),  # equal words: the new ones may be taken for any of them
        ("x y a b", True, True, False),
        ("a x y b", True, False, False),
        ("a b x y", True, False, True),
        ("x. y! A b", False, False, False),  # a word is another one
        ("x a y b", False, False, False),
        ("x a b y", False, False, False),
        ("a xb", False, False, False),  # glued
        ("a\u0301 x a b", True, True, False),  # a mark makes another word of what was glued to it
        ("a b", True, True, True),
        ("a-b", True, True, True),  # a mark comes without a word
    ],
)
def test_one_block_is_one_run_of_new_words(after: str, block: bool, start: bool, end: bool) -> None:
    names = ("insert_block", "insert_block_at_start", "insert_block_at_end")
    assert tuple(not check(name, "a b", after).reasons for name in names) == (block, start, end)
    for name in names:
        assert check(name, "a b", after).edits == check("insert", "a b", after).edits


def test_why_words_are_no_block_is_in_the_reason() -> None:
    assert check("insert_block", "a b", "x a y b").reasons == ("the new words are not one block",)
    assert check("insert_block_at_start", "a b", "a x b").reasons == ("the new words are not one block at the start",)
    assert check("insert_block_at_end", "a b", "a x b").reasons == ("the new words are not one block at the end",)


def test_a_run_of_characters_that_leaves_new_words_on_both_sides_of_a_word_is_no_block() -> None:
    """Inserted inside a word, it makes new words of the halves, and holds the old word itself."""
    assert check("insert", "aa", "a" + " aa " + "a") == Edited(2)
    assert check("insert_block", "aa", "a" + " aa " + "a").reasons


def test_a_change_is_counted_by_the_set_it_is_in_whatever_its_attack_was_allowed() -> None:
    start, insert, edit = (AttackSet(operation=o) for o in ("insert_block_at_start", "insert", "edit"))
    assert operations.counted(start, insert, "a b", "x y a b") == 2
    assert operations.counted(start, edit, "a b", "x y a b") == 2
    assert operations.counted(start, insert, "a b", "a x b") is None
    assert operations.counted(insert, start, "a b", "x a b") == 1
    assert operations.counted(start, AttackSet(operation="substitute"), "a b", "x a b") is None
    assert operations.counted(start, AttackSet(operation="insert", costs="prices"), "a b", "x a b") is None
    assert operations.counted(AttackSet(operation="unheard_of"), insert, "a b", "x a b") is None


def test_what_was_not_tested_follows_from_what_attacks_may_do() -> None:
    unseen = "characters that readers do not see, or take for others (homoglyphs, invisible characters)"
    assert operations.not_made([]) == ["inserted text", "word substitution", unseen]
    assert operations.not_made(["misspell"]) == ["inserted text", "word substitution", unseen]
    assert operations.not_made(["substitute(wordnet)"]) == ["inserted text", unseen]
    assert operations.not_made(["replace"]) == ["inserted text", unseen]
    assert operations.not_made(["insert"]) == ["word substitution", unseen]
    assert operations.not_made(["edit"]) == [unseen]
    assert operations.not_made(["edit", "render"]) == []


@lru_cache(maxsize=1)
def table(folder: str) -> str:
    path = Path(folder) / "table.json"
    path.write_text(json.dumps({"aa": ["bb", "cc"], "dd": ["ee"]}))
    return str(path)


def test_an_attack_set_covers_by_operation_costs_and_table() -> None:
    def made(operation: str, substitutes: str | None = None, costs: str | None = None) -> AttackSet:
        return AttackSet(operation=operation, substitutes=substitutes, costs=costs)

    blocks = {"insert_block", "insert_block_at_start", "insert_block_at_end"}
    wide = {
        "insert": {"insert", *blocks},
        "insert_block": blocks,
        "insert_block_at_start": {"insert_block_at_start"},
        "insert_block_at_end": {"insert_block_at_end"},
        "substitute": {"substitute"},
        "misspell": {"misspell"},
        "look_alike": {"look_alike"},
        "replace": {"replace", "substitute", "misspell", "look_alike"},
        "substitute_and_insert": {"substitute_and_insert", "substitute"},
        "delete": {"delete"},
        "reorder": {"reorder"},
        "plant": {"plant"},
        "render": {"render"},
        "edit": {
            "edit",
            "replace",
            "substitute",
            "misspell",
            "look_alike",
            "insert",
            *blocks,
            "delete",
            "substitute_and_insert",
        },
    }
    assert {operation.name for operation in operations.declared()} == set(wide)
    for one, other in product(wide, wide):
        assert covers(made(one), made(other)) == (other in wide[one]), (one, other)
        assert covers(made(one, costs="prices"), made(other, costs="prices")) == (other in wide[one])
        assert not covers(made(one, costs="prices"), made(other))
        assert not covers(made(one), made(other, costs="prices"))
    assert covers(made("substitute", "a|b"), made("substitute", "a"))
    assert covers(made("substitute", "b|a"), made("substitute", "a|b"))
    assert not covers(made("substitute", "a"), made("substitute", "a|b"))
    assert not covers(made("substitute", "a"), made("substitute"))
    assert not covers(made("substitute"), made("substitute", "a"))
    assert covers(made("replace"), made("substitute", "a"))
    assert covers(made("substitute_and_insert", "a|b"), made("substitute", "a"))
    assert not covers(made("substitute_and_insert", "a"), made("substitute", "a|b"))
    assert not covers(made("substitute_and_insert", "a"), made("substitute"))


TEXTS = st.lists(
    st.sampled_from(["aa", "bb", "cc", "dd", "ee", "Aa", "ab", " ", "  ", ". ", ", ", " (", "!", "\u200b"]),
    max_size=8,
).map("".join)
"""Short texts of few words and marks, so that two of them are often an edit apart."""


@given(before=TEXTS, after=TEXTS)
@example(before="aa dd", after="bb ee")
@example(before="aa dd", after="ab dd")
@example(before="aa dd", after="dd. aa dd")
def test_what_an_operation_includes_is_legal_by_it_at_no_higher_count(
    tmp_path_factory: pytest.TempPathFactory, before: str, after: str
) -> None:
    substitutes = table(str(tmp_path_factory.getbasetemp()))
    edited = {operation.name: check(operation.name, before, after, substitutes) for operation in operations.declared()}
    for wide, narrow in product(edited, edited):
        if operations.includes(wide, narrow) and not edited[narrow].reasons:
            assert not edited[wide].reasons, (wide, narrow)
            assert edited[wide].edits <= edited[narrow].edits, (wide, narrow)


@given(before=TEXTS)
def test_a_text_that_stays_is_legal_and_costs_nothing(tmp_path_factory: pytest.TempPathFactory, before: str) -> None:
    substitutes = table(str(tmp_path_factory.getbasetemp()))
    for operation in operations.declared():
        assert check(operation.name, before, before, substitutes)[:2] == (0, ())


def by_recurrence(old: Sequence[str], new: Sequence[str]) -> int:
    """Levenshtein's distance, by the textbook recurrence."""
    table = {(i, j): max(i, j) for i in range(len(old) + 1) for j in range(len(new) + 1) if not (i and j)}
    for i, j in product(range(1, len(old) + 1), range(1, len(new) + 1)):
        step = table[i - 1, j - 1] + (old[i - 1] != new[j - 1])
        table[i, j] = min(step, table[i - 1, j] + 1, table[i, j - 1] + 1)
    return table[len(old), len(new)]


def test_the_edit_distance_agrees_with_the_recurrence_on_all_short_sequences() -> None:
    short = ["".join(letters) for length in range(5) for letters in product("abc", repeat=length)]
    for old, new in product(short, short):
        assert edit_distance(old, new) == by_recurrence(old, new), (old, new)
    assert edit_distance(["kitten", "sitting"], ["sitting", "kitten"]) == 2
    assert edit_distance("abcdef", "bcdefa") == 2  # an insertion and a deletion; place by place it would be six


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ("One two. Three (four).", 0),
        ("One  two.\nThree (four).", 0),  # white space is free
        ("One two. new Three (four).", 1),
        ("One two. new, Three (four).", 1),  # a word brings a mark
        ("One two. Three.", 1),  # a word takes the marks around it along
        ("One 2. Three (four).", 1),
        ("two. Three (four). One", 2),
        ("", 4),
        ("a b c d.", 4),
    ],
)
def test_an_edit_counts_words_inserted_deleted_or_replaced(after: str, expected: int) -> None:
    assert check("edit", "One two. Three (four).", after) == Edited(expected)


@pytest.mark.parametrize(
    ("after", "count", "reason"),
    [
        ("One two Three (four)", 0, "removes 2 marks with 0 edits; at most two an edit"),
        ("One. two Three (four).", 0, "changes text between words"),
        ("One two. Three four().", 0, "changes text between words"),
        ("One two Three four", 0, "removes 4 marks with 0 edits; at most two an edit"),
        ("One two Three new four", 1, "removes 4 marks with 1 edits; at most two an edit"),
        ("One two Three new four.", 1, "removes 3 marks with 1 edits; at most two an edit"),
        ("One two. new\u200b Three (four).", 1, r"neither words nor punctuation: '\u200b'"),
        ("One two. new\u00a0Three (four).", 1, r"neither words nor punctuation: '\xa0'"),
    ],
)
def test_an_edit_may_not_change_marks_without_words(after: str, count: int, reason: str) -> None:
    edited = check("edit", "One two. Three (four).", after)
    assert edited.edits == count
    assert len([r for r in edited.reasons if r == reason or (reason in r and "punctuation" in r)]) == 1


@pytest.mark.parametrize(
    ("operation", "before", "after", "edits"),
    [
        ("insert", "", "[3] > [1]", 5),  # two words and five marks
        ("insert", "One two.", "One two. !!! new", 3),
        ("insert", "One two.", "One (two.", 1),
        ("edit", "One two. Three (four).", "One two, Three (four).", 1),
        ("edit", "One two. Three (four).", "One two. new!! Three (four).", 2),
    ],
)
def test_a_mark_without_a_word_of_its_own_costs_one_edit(operation: str, before: str, after: str, edits: int) -> None:
    assert check(operation, before, after) == Edited(edits)


@pytest.mark.parametrize("twin", ["p\u0430y", "\uff50ay", "pay\u0323", "p\U0001d41ay"])
def test_a_look_alike_of_a_letter_is_no_misspelling(twin: str) -> None:
    reasons = check("misspell", "pay", twin).reasons
    assert any("look-alikes, not misspellings" in reason for reason in reasons)


def test_misspellings_within_a_script_are_legal_and_look_alikes_are_an_operation_of_their_own() -> None:
    assert (
        check("misspell", "pay", "pya")
        == check("misspell", "\u043f\u0430\u043f\u0430", "\u043f\u0430\u043f\u0443")
        == Edited(1)
    )
    assert check("look_alike", "pay now", "p\u0430y now") == Edited(1)
    assert "not a character of another script or form" in check("look_alike", "pay", "pey").reasons[0]
    assert check("replace", "pay now", "p\u0430y now") == Edited(1)


def test_a_mark_that_an_insertion_turns_into_part_of_a_word_is_missing() -> None:
    assert check("insert", "x ' y", "x q's y").reasons == (
        "an original word or character is missing, changed or out of order",
    )


def test_illegal_words_are_named_three_at_most_and_counted() -> None:
    (reason,) = check("misspell", "aa bb cc dd ee", "xxx xxx xxx xxx xxx").reasons
    assert reason == "not one character edit: 'aa' → 'xxx', 'bb' → 'xxx', 'cc' → 'xxx' and 2 more"
    (reason,) = check("misspell", "aa bb cc dd ee", "xxx xxx xxx dd ee").reasons
    assert reason == "not one character edit: 'aa' → 'xxx', 'bb' → 'xxx', 'cc' → 'xxx'"


def distance(a: str, b: str) -> int:
    """Optimal string alignment, by the textbook recurrence."""
    table = {(i, j): max(i, j) for i in range(len(a) + 1) for j in range(len(b) + 1) if not (i and j)}
    for i, j in product(range(1, len(a) + 1), range(1, len(b) + 1)):
        cost = a[i - 1] != b[j - 1]
        table[i, j] = min(table[i - 1, j] + 1, table[i, j - 1] + 1, table[i - 1, j - 1] + cost)
        if i > 1 and j > 1 and a[i - 2 : i] == b[j - 1] + b[j - 2]:
            table[i, j] = min(table[i, j], table[i - 2, j - 2] + 1)
    return table[len(a), len(b)]


def test_one_character_edit_agrees_with_the_recurrence_on_all_short_words() -> None:
    short = ["".join(letters) for length in range(5) for letters in product("abc", repeat=length)]
    for a, b in product(short, short):
        if a != b:
            assert one_character_edit(a, b) == (distance(a, b) == 1), (a, b)


@pytest.mark.parametrize(
    ("operation", "after", "edits", "reason"),
    [
        ("replace", "aa bb", 1, "3 words became 2; replace keeps their number"),
        ("misspell", "aa bb xxx", 1, "not one character edit: 'cc' → 'xxx'"),
        ("insert", "aa cc", 1, "an original word or character is missing, changed or out of order"),
        (
            "insert",
            "aa bb cc\u200b\u00a0",
            0,
            r"inserts characters that are neither words nor punctuation: '\xa0', '\u200b'",
        ),
    ],
)
def test_words_are_counted_also_where_a_change_is_illegal(operation: str, after: str, edits: int, reason: str) -> None:
    edited = check(operation, "aa bb cc", after)
    assert (edited.edits, edited.reasons[0]) == (edits, reason)


def test_substitutions_and_insertions_are_counted_by_their_kinds(tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    path.write_text(json.dumps({"aa": ["bb"], "cc": ["dd"]}))
    name = "substitute_and_insert"
    # An insertion and a deletion would do, but no word may be deleted.
    assert check(name, "aa bb aa bb", "bb aa bb aa", str(path)) == (4, (), {"substituted": 4, "inserted": 0})
    assert check(name, "aa cc", "aa new dd", str(path)) == (2, (), {"substituted": 1, "inserted": 1})
    for before, after, edits, reasons in (
        ("aa cc", "cc", 1, ("a word is missing, out of order, or became a word that is no substitute of it",)),
        ("aa. cc", "aa cc.", 0, ("changes text between words",)),
        ("aa. cc", "bb, cc", 1, ("changes text between words",)),
    ):
        edited = check(name, before, after, str(path))
        assert (edited.edits, edited.reasons) == (edits, reasons)


@pytest.mark.parametrize("operation", ["replace", "insert", "edit"])
@pytest.mark.parametrize("joint", ["-", "'", "_", "\u2011", "\u200b", "\u0301", "\u093e", "\u3164", ""])
def test_a_query_pasted_as_one_word_is_no_single_edit(operation: str, joint: str) -> None:
    query = "measles vaccine schedule for infants"
    pasted = joint.join(query.split()) if joint else "x" * 3_000_000
    after = f"{pasted} of nothing" if operation == "replace" else f"text {pasted} of nothing"
    edited = check(operation, "text of nothing", after)
    assert edited.edits >= 4 or edited.reasons
    assert edited.edits >= 2


def test_inserted_words_cost_what_a_ranker_reads_of_them() -> None:
    assert check("insert", "a b", "a weather\u0301forecast b").edits == 2
    assert check("replace", "a b", "a weather\u0301forecast").edits == 2
    assert check("edit", "a b", "a weather\u0301forecast c b").edits == 3
    assert check("insert", "a b", f"a {'x' * 100} b").edits == 4


@pytest.mark.parametrize(
    ("after", "edits", "reason"),
    [
        ("Red, old (big) car.", 0, ""),
        ("Red, (big) car.", 1, ""),
        ("Red, old car.", 1, ""),
        ("Red car", 2, ""),
        ("Red,old (big) car.", 0, ""),
        ("Red old (big) car.", 0, "removes 1 marks with 0 words; at most two a word"),
        ("Red old big car", 0, "removes 4 marks with 0 words; at most two a word"),
        ("Red, old (big) cars.", 1, "a word or character is new, changed or out of order"),
        ("old Red, (big) car.", 2, "a word or character is new, changed or out of order"),
        ("Red, old (big) car!", 0, "a word or character is new, changed or out of order"),
    ],
)
def test_a_deletion_leaves_out_words_with_their_marks_and_nothing_else(after: str, edits: int, reason: str) -> None:
    edited = check("delete", "Red, old (big) car.", after)
    assert (edited.edits, edited.reasons) == (edits, (reason,) if reason else ())


@pytest.mark.parametrize(
    ("after", "edits", "legal"),
    [
        ("One is first. Two. Three is the last one", 0, True),
        ("One is first.\nTwo.\nThree is the last one", 0, True),
        ("Two. One is first. Three is the last one", 1, True),
        ("Three is the last one\nOne is first. Two.", 4, True),
        ("Three is the last one\nTwo. One is first.", 4, True),
        ("Three is the last one One is first. Two.", 8, False),
        ("Two. One is first.", 6, False),
        ("One is first. One is first. Two. Three is the last one", 3, False),
        ("Two! One is first. Three is the last one", 2, False),
    ],
)
def test_a_reordering_keeps_every_sentence_and_counts_the_words_that_moved(after: str, edits: int, legal: bool) -> None:
    edited = check("reorder", "One is first. Two. Three is the last one", after)
    assert (edited.reasons == ()) is legal
    if legal:
        assert edited.edits == edits
