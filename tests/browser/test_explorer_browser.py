"""The case explorer in a real browser: finding, stepping, marking; and nothing an attacker wrote does anything."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from robustrank.report import html as report
from robustrank.report import marks
from robustrank.results.attack_cases import Proof

pytestmark = pytest.mark.browser

Opener = Callable[..., Any]
STRINGS: dict[str, str] = json.loads(
    (Path(__file__).parents[1] / "data" / "hostile_strings.json").read_text(encoding="utf-8")
)


@pytest.fixture(scope="module")
def html(summaries: SimpleNamespace) -> str:
    return report.render(summaries.realistic())


@pytest.fixture(scope="module")
def rows(summaries: SimpleNamespace) -> Any:
    return summaries.realistic().cases.rows


# Steps through all cases of the list, and says of each what is asked for.
WALK = """say => {
  const list = document.getElementById("case-list"), next = document.getElementById("next"), found = [];
  list.dispatchEvent(new KeyboardEvent("keydown", { key: "Home" }));
  for (;;) {
    for (const part of document.querySelectorAll("#case-body details")) part.open = true;
    found.push({
      key: () => document.querySelector("#case-body .anchor").getAttribute("href").slice(6),
      note: () => document.getElementById("note").value,
      text: () => document.getElementById("explorer").innerText,
    }[say]());
    if (next.disabled) return found;
    next.click();
  }
}"""


def said(page: Any, where: str, text: str | re.Pattern[str]) -> None:
    """Wait until an element says this; the page's policy forbids playwright's own way of waiting."""
    from playwright.sync_api import expect

    expect(page.locator(where)).to_have_text(text)


def moved(row: Any) -> str:
    return f"{row.rank_before} → {row.rank_after}"


def test_it_shows_all_cases_the_largest_move_first(watch: Opener, html: str, rows: Any) -> None:
    page = watch().open(html)
    assert page.inner_text("#found") == "24 cases"
    assert page.locator("#worst").is_hidden()
    first = max(rows, key=lambda row: abs(row.rank_before - row.rank_after))
    assert moved(first) in page.inner_text("#case-body h3")


@pytest.mark.parametrize("name", ["ranker", "attack", "stratum"])
def test_cases_are_filtered_by_every_name(watch: Opener, html: str, rows: Any, name: str) -> None:
    page = watch().open(html)
    wanted = getattr(rows[0], name)
    page.select_option(f"[data-filter={name}]", wanted)
    same = [row for row in rows if getattr(row, name) == wanted]
    assert page.inner_text("#found") == f"{len(same)} of 24 cases"
    page.click("#clear")
    assert page.inner_text("#found") == "24 cases"


def test_cases_are_filtered_by_outcome_and_similarity(watch: Opener, html: str, rows: Any) -> None:
    page = watch().open(html)
    page.select_option("[data-filter=outcome]", "success")
    assert page.inner_text("#found") == f"{sum(row.success for row in rows)} of 24 cases"
    page.select_option("[data-filter=similarity]", "0.9")
    both = [row for row in rows if row.success and (row.similarity or 0) >= 0.9]
    assert page.inner_text("#found") == f"{len(both)} of 24 cases"


def test_a_search_finds_documents_by_a_word_of_theirs(watch: Opener, html: str, rows: Any) -> None:
    page = watch().open(html)
    document = rows[0].document
    page.fill("[data-filter=search]", rows[0].doc_id + "x")
    said(page, "#found", "0 of 24 cases")
    assert page.inner_text("#case-body") == "No case fits these filters."
    page.fill("[data-filter=search]", json.loads(_data(page))["texts"][document][:60].upper())
    said(page, "#found", "10 of 24 cases")


def _data(page: Any) -> str:
    found: str = page.locator("#case-data").text_content()
    return found


def test_an_order_is_kept_to(watch: Opener, html: str, rows: Any) -> None:
    page = watch().open(html)
    page.select_option("[data-filter=order]", "edits")
    assert f"Edits\n{min(row.edits for row in rows)} word" in page.inner_text("#case-body .facts")


@pytest.mark.parametrize(
    ("order", "key"),
    [
        ("ranker", lambda row: ("BM25", "MiniLM-L12 cross-encoder", "MiniLM-L6 bi-encoder").index(row.ranker)),
        ("attack", lambda row: 0 if row.attack == "query at the start" else 1),
        ("stratum", lambda row: 0 if row.stratum == "11-20" else 1),
        ("success", lambda row: not row.success),
        ("similar", lambda row: -(row.similarity or -2)),
        ("harm", lambda row: -row.harm),
        ("file", lambda row: 0),
    ],
)
def test_cases_are_sorted_by_every_order_and_then_by_their_move(
    watch: Opener, html: str, rows: Any, order: str, key: Callable[[Any], Any]
) -> None:
    page = watch().open(html)
    page.select_option("[data-filter=order]", order)
    said(page, "#position", "1 of 24")
    shown = page.evaluate(WALK, "key")
    by_key = {row.key: row for row in rows}
    keys = [key(by_key[name]) for name in shown]
    assert sorted(shown) == sorted(by_key)
    assert keys == sorted(keys)
    if order == "file":
        assert shown == [row.key for row in rows]


def test_the_keyboard_steps_through_the_cases(watch: Opener, html: str) -> None:
    page = watch().open(html)
    page.focus("#case-list")
    for key, position in [("ArrowDown", 2), ("j", 3), ("k", 2), ("End", 24), ("ArrowDown", 24), ("Home", 1), ("k", 1)]:
        page.keyboard.press(key)
        assert page.inner_text("#position") == f"{position} of 24", key
    active = page.get_attribute("#case-list", "aria-activedescendant")
    assert page.get_attribute(f"#{active}", "aria-selected") == "true"
    page.click("#next")
    assert page.inner_text("#position") == "2 of 24"


def test_letters_typed_into_a_field_do_not_step(watch: Opener, html: str) -> None:
    page = watch().open(html)
    page.focus("[data-filter=search]")
    page.keyboard.type("jj")
    assert page.inner_text("#position") in ("1 of 24", "")
    assert page.input_value("[data-filter=search]") == "jj"


def test_every_case_has_an_address(watch: Opener, html: str, rows: Any) -> None:
    page = watch().open(html, fragment=f"#case-{rows[17].key}")
    assert moved(rows[17]) in page.inner_text("#case-body h3")
    page.keyboard.press("j")
    assert page.evaluate("location.hash") != f"#case-{rows[17].key}"
    page.evaluate(f"location.hash = 'case-{rows[3].key}'")
    page.wait_for_selector(f"#case-body .anchor[href='#case-{rows[3].key}']")
    assert moved(rows[3]) in page.inner_text("#case-body h3")


def test_a_case_tells_its_difference_who_fell_and_what_was_proven(
    watch: Opener, html: str, rows: Any, summaries: SimpleNamespace
) -> None:
    row = next(row for row in rows if row.attack == "query at the start" and row.fell and row.status == "ok")
    texts = summaries.realistic().cases.texts
    page = watch().open(html, fragment=f"#case-{row.key}")
    page.locator("#case-body details summary").click()
    assert page.locator("#case-body ins").inner_text().split() == ["added:", *texts[row.query].split()]
    assert page.locator("#case-body .full").all_text_contents() == [
        texts[row.document], f"{texts[row.query]} {texts[row.document]}",
    ]  # fmt: skip
    assert page.locator("#case-body .fell li").count() == len(row.fell)
    assert "No certificate was attempted" in page.inner_text("#case-body .pair")
    proven = next(row for row in rows if row.proofs)
    page.evaluate(f"location.hash = 'case-{proven.key}'")
    said(page, "#case-body .pair", re.compile("top 1"))


def test_marks_survive_a_reload_and_are_counted(watch: Opener, html: str) -> None:
    page = watch().open(html)
    page.check("input[value='to fix']")
    page.fill("#note", "see the ticket")
    page.reload()
    assert page.input_value("#note") == "see the ticket"
    assert page.inner_text("#marks-count") == "1 to fix"
    page.select_option("[data-filter=mark]", "to fix")
    assert page.inner_text("#found") == "1 of 24 cases"
    page.check("input[name=mark][value='']")
    assert page.inner_text("#marks-count") == "none yet"


def test_exported_marks_are_read_by_the_command_and_by_another_browser(
    watch: Opener, html: str, tmp_path: Path, summaries: SimpleNamespace
) -> None:
    page = watch().open(html)
    page.check("input[value='accepted risk']")
    page.fill("#note", "agreed \u202e")
    with page.expect_download() as waiting:
        page.click("#export")
    waiting.value.save_as(tmp_path / "marks.json")
    read = marks.read(tmp_path / "marks.json")
    assert [(entry["mark"], entry["note"]) for entry in read.values()] == [("accepted risk", "agreed ⟨U+202E⟩")]
    other = watch()
    other.page.add_init_script("localStorage.clear()")
    page = other.open(html)
    assert page.inner_text("#marks-count") == "none yet"
    page.set_input_files("#import", tmp_path / "marks.json")
    said(page, "#marks-status", "1 mark imported.")
    assert page.inner_text("#marks-count") == "1 accepted risk"
    page = other.open(report.render(summaries.realistic(), read))
    assert page.inner_text("#marks-count") == "1 accepted risk"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("not JSON", "This file is not JSON: nothing was imported."),
        ("[]", "This file holds no marks of a RobustRank report: nothing was imported."),
        (
            '{"robustrank_marks": 1, "marks": null}',
            "This file holds no marks of a RobustRank report: nothing was imported.",
        ),
        ('{"robustrank_marks": 1, "marks": {"x": {"mark": "to fix"}}}', "0 marks imported; 1 entry left out"),
        ('{"robustrank_marks": 1, "marks": {"__proto__": {"mark": "to fix"}}}', "0 marks imported; 1 entry left out"),
    ],
)
def test_a_file_that_holds_no_marks_imports_none(
    watch: Opener, html: str, tmp_path: Path, text: str, told: str
) -> None:
    watched = watch()
    page = watched.open(html)
    (tmp_path / "wrong.json").write_text(text, encoding="utf-8")
    page.set_input_files("#import", tmp_path / "wrong.json")
    said(page, "#marks-status", re.compile("imported"))
    assert page.inner_text("#marks-status").startswith(told)
    assert watched.wrong == []


def test_imported_notes_stay_text_and_lose_what_cannot_be_seen(
    watch: Opener, html: str, rows: Any, tmp_path: Path
) -> None:
    watched = watch()
    page = watched.open(html)
    strings = list(STRINGS.values())
    for start in range(0, len(strings), len(rows)):
        notes = strings[start : start + len(rows)]
        found = {row.key: {"mark": "to fix", "note": note} for row, note in zip(rows, notes, strict=False)}
        (tmp_path / "m.json").write_text(
            json.dumps(
                {"robustrank_marks": 1, "audit": notes[0], "name": notes[0], "marks": found | dict.fromkeys(notes)}
            )
        )
        page.evaluate("document.getElementById('marks-status').textContent = ''")
        page.set_input_files("#import", tmp_path / "m.json")
        said(page, "#marks-status", re.compile("imported"))
        kept = page.evaluate(WALK, "note")
        assert len(kept) == len(rows)
        assert not set("\u202e\u200b\x1b\x00\u2028") & set("".join(kept))
    assert watched.wrong == []
    assert page.evaluate("window.pwned") is None


def test_hostile_cases_are_read_one_by_one_in_silence(watch: Opener, summaries: SimpleNamespace) -> None:
    watched = watch()
    hostile = summaries.plant(summaries.realistic(), cycle(STRINGS.values()))
    page = watched.open(report.render(hostile))
    shown = page.evaluate(WALK, "text")
    assert len(shown) == 24
    assert not set("\u202e\u202d\u2066\u2067\u200b\u2028\x1b\x00\ufeff") & set("".join(shown))
    assert page.evaluate("window.pwned") is None
    assert watched.wrong == []
    assert page.locator("#explorer :is(script, img, svg, iframe, style, object)").count() == 0


def test_the_page_refuses_markup_even_from_its_own_script(watch: Opener, html: str) -> None:
    page = watch().open(html)
    refused = """() => {
      try { document.body.innerHTML = "<img src=x onerror=window.pwned=1>"; return "taken" } catch { return "refused" }
    }"""
    assert page.evaluate(refused) == "refused"


@pytest.mark.slow
def test_ten_thousand_cases_answer_at_once(watch: Opener, summaries: SimpleNamespace) -> None:
    many = replace(summaries.realistic(), cases=summaries.made_up_cases(10_000))
    page = watch().open(report.render(many))
    assert page.inner_text("#found") == "10,000 cases"
    assert page.locator("#case-list [role=option]").count() < 60
    page.evaluate("performance.mark('asked')")
    page.select_option("[data-filter=attack]", "query typos")
    assert page.inner_text("#found") == "2,500 of 10,000 cases"
    page.focus("#case-list")
    page.keyboard.press("End")
    assert page.inner_text("#position") == "2,500 of 2,500"


def test_of_certificates_that_imply_each_other_the_widest_is_told(watch: Opener, summaries: SimpleNamespace) -> None:
    whole = summaries.realistic()
    proofs = [Proof(1, 1, True), Proof(1, 5, True), Proof(5, 1, True), Proof(5, 2, False)]
    row = replace(whole.cases.rows[0], proofs=proofs, edits=2, rank_before=12, rank_after=3)
    page = watch().open(report.render(replace(whole, cases=replace(whole.cases, rows=[row]))))
    told = page.inner_text("#case-body .pair p:last-child")
    assert told == (
        "Proved: no document enters the top 1 by up to 5 changed words; this case changed 2 and does not. "
        "Proved: no document enters the top 5 by 1 changed word; this case changed 2, which the proof does not cover."
    )
