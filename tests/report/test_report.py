"""The report: verdict first, every figure with its interval, hostile text inert and visible, nothing from outside."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from itertools import cycle
from pathlib import Path
from types import SimpleNamespace

import pytest

from robustrank.core.types import Estimate
from robustrank.report import charts, explorer, filters, view
from robustrank.report import html as report
from robustrank.results.select import strongest
from robustrank.results.verdicts import Outcome, Verdict

STRINGS: dict[str, str] = json.loads(
    (Path(__file__).parents[1] / "data" / "hostile_strings.json").read_text(encoding="utf-8")
)


class Page(HTMLParser):
    """What a parser of HTML sees: elements with their attributes, ids, and the text outside of scripts and styles."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.kinds: set[tuple[str, tuple[str, ...]]] = set()
        self.tags: Counter[str] = Counter()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.scripts: list[str] = []
        self.styles: list[str] = []
        self.text = ""
        self._within = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._within = tag
        self.tags[tag] += 1
        self.kinds.add((tag, tuple(name for name, _ in attrs)))
        self.ids += [value or "" for name, value in attrs if name == "id"]
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]

    def handle_endtag(self, tag: str) -> None:
        self._within = ""

    def handle_data(self, data: str) -> None:
        if self._within == "script":
            self.scripts.append(data)
        elif self._within == "style":
            self.styles.append(data)
        else:
            self.text += data


@pytest.fixture(scope="module")
def html(summaries: SimpleNamespace) -> str:
    return report.render(summaries.realistic())


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def test_the_verdict_comes_before_everything_else(page: Page) -> None:
    statements = [
        "2 of 3 gates do not hold: 1 failed, 1 inconclusive, 1 passed",
        "succeeded in 97% of cases",
        "1 serious red flag",
        "Rankers by protocol",
        "Pairwise comparisons",
    ]
    places = [page.text.index(words) for words in statements]
    assert places == sorted(places)


@pytest.mark.parametrize(
    "figure",
    [
        "0.703 [0.610, 0.796], n=50",  # the cross-encoder at home
        "0.77 [0.59, 0.88], n=30",  # the strongest attack on it
        "+0.69 [+0.59, +0.79], n=30",  # beyond its control
        "0.55 [0.34, 0.74], n=20",  # certified
        "−0.15 [−0.32, +0.02], n=20",  # the worst shift
        "2 of 30 cases are invalid, first: 12 words edited",
        "Holm p=0.008",
        "17 → 2 of 20",
        "about 115 queries would decide it",
        "18,432",
        "9 min 41 s",
    ],
)
def test_figures_are_told_with_their_intervals(page: Page, figure: str) -> None:
    assert figure in re.sub(r"\s+", " ", page.text)


def test_every_section_can_be_linked_and_every_id_is_unique(page: Page, summaries: SimpleNamespace) -> None:
    inner = [link[1:] for link in page.links if link.startswith("#")]
    assert inner
    cases = {f"case-{row.key}" for row in summaries.realistic().cases.rows}  # the explorer shows them
    assert set(inner) <= {*page.ids, *cases}
    assert [name for name, n in Counter(page.ids).items() if n > 1] == []


def test_nothing_comes_from_outside_the_file(html: str, page: Page) -> None:
    assert all(link.startswith(("#", "data:,")) for link in page.links)
    assert set(re.findall(r"https?://[^\s\"'<]+", html)) <= {"http://www.w3.org/2000/svg"}
    assert not re.search(r"@import|url\((?!#)", html)


def test_the_policy_allows_the_one_script_and_style_sheet_and_no_other(html: str, page: Page) -> None:
    style, script = (b64encode(sha256(text.encode()).digest()).decode() for text in (page.styles[0], page.scripts[-1]))
    assert page.kinds & {("script", ()), ("script", ("type", "id"))} == {k for k in page.kinds if k[0] == "script"}
    assert page.tags["script"] == 2  # the other is data
    assert page.tags["style"] == 1
    assert f"default-src 'none'; style-src 'unsafe-inline'; style-src-elem 'sha256-{style}'" in html
    assert f"script-src 'sha256-{script}'; require-trusted-types-for 'script'; trusted-types 'none'" in html


def test_no_script_of_ours_turns_text_into_markup() -> None:
    folder = Path(report.__file__).parent
    ours = "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.js"))
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|Function\(|DOMParser|fetch\(", ours
    )


def test_the_data_of_the_cases_cannot_end_its_element_or_hold_what_cannot_be_seen(summaries: SimpleNamespace) -> None:
    hostile = summaries.plant(summaries.realistic(), cycle(STRINGS.values()))
    written = explorer.embed(hostile, {})
    assert written.isascii()
    assert written.isprintable()
    assert not set("<>&") & set(written)
    assert json.loads(written)["n"] == 24


def test_the_data_of_the_cases_says_what_the_summary_says(summaries: SimpleNamespace) -> None:
    cases = summaries.realistic().cases
    data = json.loads(explorer.embed(summaries.realistic(), {}))

    def column(name: str) -> list[object]:
        values, at = data["columns"][name]["values"], data["columns"][name].get("at")
        return values if at is None else [values[i] for i in at]

    assert data["texts"] == list(cases.texts)
    assert column("ranker") == [row.ranker for row in cases.rows]
    assert column("rank_after") == [row.rank_after for row in cases.rows]
    assert column("changes") == [[list(change) for change in row.changes] for row in cases.rows]
    assert column("similarity") == [row.similarity and round(row.similarity, 4) for row in cases.rows]


def test_runs_that_must_not_be_shown_bare_are_sent_with_their_labels(summaries: SimpleNamespace) -> None:
    data = json.loads(explorer.embed(summaries.plant(summaries.realistic(), cycle(["a\u202e\u202eb c\u0430t"])), {}))
    assert data["odd"] == {
        "\u202e\u202e": "U+202E RIGHT-TO-LEFT OVERRIDE",
        "\u202e": "U+202E RIGHT-TO-LEFT OVERRIDE",
        "c\u0430t": "MIXED SCRIPTS: LATIN AND CYRILLIC",
    }


def test_marks_are_kept_under_the_audit_file_not_under_its_gates(summaries: SimpleNamespace) -> None:
    whole = summaries.realistic()
    other = replace(whole, environment={**whole.environment, "spec_hash": "another"})
    assert explorer.audit_id(whole) == explorer.audit_id(replace(whole, verdicts=(), source="other gates"))
    assert explorer.audit_id(whole) != explorer.audit_id(other)


def test_every_chart_has_words_that_say_the_same(html: str) -> None:
    drawn = re.findall(r'<svg [^>]*role="img"[^>]*aria-label="([^"]+)"', html)
    assert len(drawn) == html.count("<svg") == 13
    assert any("MiniLM-L12 cross-encoder 0.703 [0.610, 0.796], n=50" in words for words in drawn)


def test_charts_take_colours_and_fonts_from_the_page(html: str) -> None:
    svg = "".join(re.findall(r"<svg.*?</svg>", html, re.DOTALL))
    assert "var(--series-1)" in svg
    assert "#0" not in svg.replace("#shift", "").replace("#spread", "")
    assert "font-family" not in svg
    assert "<style" not in svg


def test_the_same_summary_gives_the_same_bytes(summaries: SimpleNamespace, html: str) -> None:
    assert report.render(summaries.realistic()) == html


def test_an_audit_that_has_only_begun_is_told_as_such(summaries: SimpleNamespace, tmp_path: Path) -> None:
    report.write(summaries.bare(), tmp_path / "report.html")
    text = Page((tmp_path / "report.html").read_text(encoding="utf-8")).text
    for words in (
        "Unfinished",
        "No gates set",
        "No attack was run",
        "The audit file requests no certificate",
        "not measured",
    ):
        assert words in text
    assert "0.00 [" not in text


def test_hostile_text_adds_no_element_and_no_attribute(summaries: SimpleNamespace, page: Page) -> None:
    def kinds(texts: Iterable[str]) -> set[tuple[str, tuple[str, ...]]]:
        return Page(report.render(summaries.plant(summaries.realistic(), cycle(texts)))).kinds

    marks = {("span", ("class", "title")), ("span", ("class",))}
    assert kinds(STRINGS.values()) <= kinds(["a", "b"]) | page.kinds | marks


def test_characters_one_cannot_see_are_named_and_do_not_reach_the_page(summaries: SimpleNamespace) -> None:
    html = report.render(summaries.plant(summaries.realistic(), cycle(["a\u202eb\u200bc\x1bd\ud800"])))
    assert not set("\u202e\u200b\x1b\ud800") & set(html)
    assert '<span class="chip" title="U+202E RIGHT-TO-LEFT OVERRIDE">U+202E RIGHT-TO-LEFT OVERRIDE</span>' in html
    assert 'aria-label="Table: Attacks against a⟨U+202E⟩b⟨U+200B⟩c⟨U+001B⟩d⟨U+D800⟩"' in html


def test_a_chip_tells_its_name_once_and_its_code_from_then_on() -> None:
    shown = filters.show("\u200ba\u200b\u200b")
    assert shown.count(">U+200B ZERO WIDTH SPACE</span>") == 1
    assert shown.count(">U+200B ×2</span>") == 1


def test_a_name_in_two_directions_cannot_reorder_the_figures_beside_it() -> None:
    assert filters.show("שלום 12") == "<bdi>שלום 12</bdi>"


def test_labels_of_charts_are_text_even_where_they_look_like_markup_or_mathematics(summaries: SimpleNamespace) -> None:
    label = "$\\frac{1}{0$ </text><script>x</script> & \x00\ud800漢"
    drawn = charts.draw(summaries.plant(summaries.realistic(), cycle([label])))
    for chart in [*drawn.spread, *drawn.shifts, *drawn.attacks.values(), *drawn.costs, *drawn.certificates.values()]:
        assert "<script" not in chart.svg
        assert "\x00" not in chart.svg


@pytest.mark.parametrize(
    ("outcomes", "state"),
    [
        ([], "none"),
        (["pass", "pass"], "pass"),
        (["pass", "inconclusive"], "inconclusive"),
        (["inconclusive", "fail"], "fail"),
    ],
)
def test_the_state_is_that_of_the_worst_gate(summaries: SimpleNamespace, outcomes: list[str], state: str) -> None:
    verdicts = [Verdict(gate=o, outcome=Outcome(o), reason="", estimate=None, limit="") for o in outcomes]
    assert view.build(replace(summaries.bare(), verdicts=verdicts)).state == state


def test_a_gate_that_may_be_inconclusive_in_writing_holds(summaries: SimpleNamespace) -> None:
    verdict = Verdict(gate="g", outcome=Outcome.INCONCLUSIVE, reason="", estimate=None, limit="", held=True)
    whole = replace(summaries.bare(), verdicts=[verdict])
    assert view.build(whole).state == "pass"
    assert "accepts this gate as inconclusive" in report.render(whole)


def test_an_unfinished_audit_does_not_say_that_no_certificate_was_asked_for(summaries: SimpleNamespace) -> None:
    whole = replace(summaries.realistic(), certificates=())
    assert view.build(whole).unproven == "The audit file requests no certificate."
    assert "not reached its certificates yet" in view.build(replace(whole, finished=None)).key_figures[3].note


def test_a_control_is_never_the_strongest_attack(summaries: SimpleNamespace) -> None:
    attacks = summaries.realistic().attacks
    assert strongest([r for r in attacks if r.control]) is None
    strongest_attack = strongest(attacks, ranker="MiniLM-L12 cross-encoder")
    assert strongest_attack is not None
    assert strongest_attack.attack == "query at the start"


def test_a_difference_keeps_what_changed_and_counts_what_it_leaves_out() -> None:
    long = " ".join(f"w{n}" for n in range(100))
    pieces = view.pieces([("insert", "", "new "), ("equal", long, long), ("replace", "old", "young")])
    assert [p.kind for p in pieces] == ["insert", "equal", "equal", "replace"]
    shown = sum(len(p.before.split()) for p in pieces if p.kind == "equal")
    assert shown + pieces[1].skipped == 100
    assert pieces[2].before.endswith("w99")


def test_short_unchanged_stretches_are_shown_whole() -> None:
    diff = [("equal", "a b c ", "a b c "), ("delete", "d", "")]
    assert [(p.before, p.skipped) for p in view.pieces(diff)] == [("a b c ", 0), ("d", 0)]


@pytest.mark.parametrize(
    ("value", "digits", "sign", "text"),
    [
        (0.425, 3, False, "0.425"),
        (-0.1, 2, False, "−0.10"),
        (0.1, 2, True, "+0.10"),
        (-0.0004, 2, True, "0.00"),
        (1234.5, 1, False, "1,234.5"),
        (float("nan"), 2, False, "not measured"),
        (None, 2, False, "not measured"),
    ],
)
def test_numbers_are_written_one_way(value: float | None, digits: int, sign: bool, text: str) -> None:
    assert filters.number(value, digits, sign=sign) == text


def test_an_estimate_is_written_with_interval_and_n() -> None:
    assert filters.figure(Estimate(0.42, 0.35, 0.49, 40)) == "0.42 [0.35, 0.49], n=40"
    assert filters.figure(None) == "not measured"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.416, "0.42 s"), (48, "48 s"), (581.4, "9 min 41 s"), (7500, "2 h 5 min")]
)  # fmt: skip
def test_durations_are_written_for_people(seconds: float, text: str) -> None:
    assert filters.duration(seconds) == text


@pytest.mark.parametrize(
    ("edits", "words"),
    [
        ("insert", "words inserted"),
        ("substitute(wordnet|counterfitted)", "words replaced by substitutes (wordnet or counterfitted)"),
        ("substitute(mutual, costs idf)", "words replaced by substitutes (mutual, costs idf)"),
        ("<b>insert</b>", "<b>insert</b>"),
    ],
)
def test_a_set_of_attacks_is_told_in_words(edits: str, words: str) -> None:
    assert filters.FILTERS["operation"](edits) == words


def test_differences_that_are_shown_come_first_and_the_rest_is_folded(summaries: SimpleNamespace, page: Page) -> None:
    arranged = view.build(summaries.realistic())
    assert [c.p_holm for c in arranged.shown] == [0.005, 0.0007]
    assert len(arranged.not_shown) == 3
    assert "2 of 5 differences are significant" in page.text
    assert "3 not significant with this number of queries" in page.text


def test_the_five_tasks_are_one_table_with_what_is_shown_said(page: Page) -> None:
    text = re.sub(r"\s+", " ", page.text)
    assert "1 of 4 differences are significant" in text
    assert "0.500+0.170 [+0.070, +0.270], n=50less robust" in text


def test_a_budget_is_told_in_words() -> None:
    assert (
        filters.budget({"edits": 10, "calls": None, "similarity": 0.8}) == "at most 10 edits, similarity at least 0.8"
    )
    assert filters.budget({"edits": None}) == "no limit"


def test_more_than_forty_rankers_repeat_no_marker_and_colour() -> None:
    from robustrank.report.canvas import style

    assert len(set(map(style, range(42)))) == 42


def test_the_row_of_an_attack_names_its_kind_of_edit_and_its_table(summaries: SimpleNamespace) -> None:
    whole = summaries.realistic()
    mine = replace(whole.attacks[0], attack="with a table of its own", edits_allowed="substitute(wordnet)")
    text = report.render(replace(whole, attacks=[mine]))
    heads = [part.partition("</th>")[0] for part in text.split('<th scope="row">')[1:]]
    assert any("with a table of its own" in head and "replaced by substitutes (wordnet)" in head for head in heads)
