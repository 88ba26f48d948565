"""The canvas: points stand where the scale says, labels stay text, and the same drawing gives the same bytes."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from robustrank.core.types import Estimate
from robustrank.report.canvas import MARGIN, MARKERS, WIDTH, Canvas, round_values, style


def drawn(canvas: Canvas, *, standalone: bool = False) -> ElementTree.Element:
    return ElementTree.fromstring(canvas.svg("a chart", standalone=standalone))


def test_a_value_stands_where_the_scale_says() -> None:
    canvas = Canvas(100, (-1, 3), "axis", ticks=())
    canvas.interval(40, Estimate(1.0, -1.0, 3.0, 9), "red", "o")
    [line] = drawn(canvas).iter("polyline")
    assert line.attrib["points"] == f"{MARGIN},40 {WIDTH - MARGIN},40"
    [mark] = drawn(canvas).iter("path")
    assert mark.attrib["d"].startswith(f"M{WIDTH / 2 - 3.5:g} 40a3.5 3.5")


def test_marks_lie_over_lines_and_columns_whatever_was_drawn_first() -> None:
    canvas = Canvas(100, (0, 1), "", ticks=())
    canvas.mark(0.5, 10, "red", "s")
    canvas.line([0, 1], [10, 10], "red")
    canvas.columns(50, [5, 0, 5], "red")
    canvas.band((0.2, 0.4), (5, 15))
    assert [element.tag for element in drawn(canvas)] == ["rect", "rect", "rect", "polyline", "path", "text"]


def test_columns_stand_on_the_base_line_and_empty_ones_are_left_out() -> None:
    canvas = Canvas(100, (0, 1), "", ticks=())
    canvas.columns(50, [20, 0], "red")
    [box] = drawn(canvas).iter("rect")
    assert (float(box.attrib["y"]), float(box.attrib["height"])) == (30, 20)
    assert float(box.attrib["x"]) + float(box.attrib["width"]) == pytest.approx(MARGIN + 0.475 * (WIDTH - 2 * MARGIN))


def test_steps_keep_each_value_until_the_next_point() -> None:
    canvas = Canvas(100, (0, WIDTH - 2 * MARGIN), "", ticks=())
    canvas.steps([0, 100, 200], [90, 50, 10], "red")
    [line] = drawn(canvas).iter("polyline")
    assert line.attrib["points"] == "10,90 110,90 110,50 210,50 210,10"


def test_hostile_labels_stay_text() -> None:
    canvas = Canvas(20, (0, 1), "<script>alert(1)</script>")
    canvas.label(10, '"><img src=x onerror=alert(1)>', "\x00\x1b[2J")
    svg = canvas.svg('" onload="alert(1)')
    assert "<script" not in svg
    assert "<img" not in svg
    root = ElementTree.fromstring(svg)
    assert set(root.attrib) == {"viewBox", "role", "aria-label", "class"}
    assert "\x1b" not in svg


def test_a_long_label_is_cut() -> None:
    canvas = Canvas(20, (0, 1), "", ticks=())
    canvas.label(10, "x" * 99, "right")
    assert [t.text for t in drawn(canvas).iter("text") if t.text] == ["x" * 37 + "…", "right"]


def test_colours_are_the_page_s_unless_the_file_stands_alone() -> None:
    canvas = Canvas(20, (0, 1), "axis")
    canvas.mark(0.5, 5, *style(0))
    page, alone = canvas.svg("a"), canvas.svg("a", standalone=True)
    assert "var(--series-1)" in page
    assert "#" not in page
    assert "var(" not in alone
    assert 'xmlns="http://www.w3.org/2000/svg"' in alone
    assert page == canvas.svg("a")


def test_a_file_of_its_own_has_a_size_and_a_background_behind_everything() -> None:
    canvas = Canvas(20, (0, 1), "axis")
    canvas.band((0, 1), (0, 20))
    alone, page = drawn(canvas, standalone=True), drawn(canvas)
    assert (alone[0].tag.rpartition("}")[2], alone[0].get("width"), alone[0].get("height")) == ("rect", "100%", "100%")
    assert float(alone.get("width", 0)) / float(alone.get("height", 0)) == pytest.approx(400 / 54, rel=0.01)
    assert len(alone) == len(page) + 1
    assert page.get("width") is None


def test_the_first_42_styles_differ_and_every_marker_can_be_drawn() -> None:
    assert len({style(n) for n in range(42)}) == 42
    for marker in (*MARKERS, "|"):
        canvas = Canvas(20, (0, 1), "", ticks=())
        canvas.mark(0.5, 5, "red", marker)
        assert len(list(drawn(canvas).iter("path"))) == 1


@pytest.mark.parametrize(
    ("low", "high", "values"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (-0.3, 0.25, [-0.2, 0, 0.2]),
        (0, 37, [0, 10, 20, 30]),
        (-3, 1200, [0, 250, 500, 750, 1000]),
        (2, 2, [2]),
    ],
)
def test_ticks_are_round_values_within_the_span(low: float, high: float, values: list[float]) -> None:
    assert round_values(low, high) == pytest.approx(values)
