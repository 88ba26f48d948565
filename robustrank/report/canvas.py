"""A canvas measured in CSS pixels that becomes SVG in the page's own colours and fonts.

Drawn 400 units wide with labels above the marks, so that it is readable on a telephone. Colours are those of Okabe and
Ito, distinguishable with colour blindness; they are CSS variables of the page. Markup is built as an element tree, so
labels need no escaping. The same drawing gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from math import ceil, floor, log10
from xml.etree import ElementTree

from markupsafe import Markup

from robustrank.core.escaping import for_terminal
from robustrank.core.types import Estimate
from robustrank.report.filters import number

WIDTH, MARGIN, SCALE = 400, 10, 34
"""Units of the drawing; ``SCALE`` is the height under the plot for ticks and the name of the axis."""
ALONE = 1.4
"""Pixels of a unit in a file of its own, which a page makes narrower where it has no room."""

_PALETTE = {
    "ink": "#1a1c1f", "muted": "#5b6067", "rule": "#dddfdc", "band": "#e4e5e2", "back": "#fdfdfc", "attack": "#c44a00",
    "pass": "#00694e", "fail": "#a63400", "open": "#6b5200",
    "series-1": "#0072b2", "series-2": "#d55e00", "series-3": "#00876a", "series-4": "#a8577f", "series-5": "#8a6d00",
    "series-6": "#3a3f45",
}  # fmt: skip
"""Variables of the page's style sheet, with its light colours for files that stand alone."""

INK, MUTED, RULE, BAND, BACK, ATTACK, PASS, FAIL, OPEN, *SERIES = (f"var(--{name})" for name in _PALETTE)
MARKERS = "osD^vPX"
LINES = ("-", "--", "-.", ":")
_DASHES = {"--": "6 3", "-.": "6 2 1.5 2", ":": "1.5 2.5"}


def style(index: int) -> tuple[str, str]:
    """Colour and marker of the n-th ranker or K; every pair of the first 42 differs."""
    return SERIES[index % len(SERIES)], MARKERS[index % len(MARKERS)]


def round_values(low: float, high: float, most: int = 5) -> list[float]:
    """Multiples of 1, 2, 2.5 or 5 times a power of ten from ``low`` to ``high``, in at most ``most`` steps."""
    if not high > low:
        return [low]
    power = 10.0 ** floor(log10((high - low) / most))
    step = next(s * power for s in (1, 2, 2.5, 5, 10, 20) if (high - low) / (s * power) <= most)
    return [place * step for place in range(ceil(low / step - 1e-9), floor(high / step + 1e-9) + 1)]


class Canvas:
    """A plot whose vertical unit is one CSS pixel, downwards, over a horizontal scale.

    Args:
        height: Of the plot, without its scale.
        span: Of the horizontal axis.
        axis: Its name.
        ticks: Where to rule it; default about five round values.
        sign: Whether ticks show their sign.
    """

    def __init__(
        self,
        height: float,
        span: tuple[float, float],
        axis: str,
        *,
        ticks: Sequence[float] | None = None,
        sign: bool = False,
    ) -> None:
        self.height = height
        self._span = span
        self._layers: list[tuple[float, ElementTree.Element]] = []
        for tick in round_values(*span) if ticks is None else ticks:
            if span[0] <= tick <= span[1]:
                self.line([tick, tick], [0, height], RULE, width=0.8)
                self.tick(tick, number(tick, sign=sign).rstrip("0").rstrip(".") if tick else "0")
        self.text(0, height + 26, axis, MUTED, size=9)

    def text(
        self,
        x: float,
        y: float,
        text: str,
        colour: str = INK,
        *,
        size: float = 10.5,
        bold: bool = False,
        most: int = 64,
    ) -> None:
        """A text by its place across the plot, 0 to 1; right-aligned at 1; cut to ``most`` characters."""
        anchor = "end" if x == 1 else "start"
        self._text(MARGIN + x * (WIDTH - 2 * MARGIN), y, _short(text, most), colour, anchor, size=size, bold=bold)

    def name(self, x: float, y: float, text: str, colour: str) -> None:
        """The name of a curve, in bold, beside a point of the horizontal scale."""
        self._text(self._across(x), y, _short(text, 64), colour, "start", size=10, bold=True)

    def tick(self, x: float, text: str) -> None:
        """A tick's name under the plot."""
        self._text(self._across(x), self.height + 11, _short(text, 64), MUTED, "middle", size=9)

    def label(self, y: float, left: str, right: str = "") -> None:
        """The name of a row at the left and its figure at the right."""
        self.text(0, y, left, most=38 if right else 56)
        self.text(1, y, right, MUTED, size=9.5)

    def line(
        self,
        x: Iterable[float],
        y: Iterable[float],
        colour: str,
        *,
        width: float = 1,
        dash: str = "-",
        layer: float = 1,
    ) -> None:
        """A line through points, behind the marks."""
        points = " ".join(f"{_digits(self._across(a))},{_digits(b)}" for a, b in zip(x, y, strict=True))
        attributes = {"points": points, "fill": "none", "stroke": colour, "stroke-width": _digits(width)}
        if dash in _DASHES:
            attributes["stroke-dasharray"] = _DASHES[dash]
        self._add(layer, "polyline", attributes)

    def steps(
        self, x: Sequence[float], y: Sequence[float], colour: str, *, width: float = 1.6, dash: str = "-"
    ) -> None:
        """A line that keeps each value until the next point."""
        xs = [x[0], *(value for value in x[1:] for _ in range(2))]
        ys = [*(value for value in y[:-1] for _ in range(2)), y[-1]]
        self.line(xs, ys, colour, width=width, dash=dash)

    def band(self, x: tuple[float, float], y: tuple[float, float], colour: str = BAND) -> None:
        """A filled rectangle behind everything."""
        (left, right), (top, bottom) = (sorted(self._across(value) for value in x), sorted(y))
        self._box(0, left, top, right - left, bottom - top, colour)

    def mark(self, x: float, y: float, colour: str, marker: str, *, size: float = 7, hollow: bool = False) -> None:
        """A mark at a point of the horizontal scale."""
        self._mark(self._across(x), y, colour, marker, size, hollow=hollow)

    def key(self, y: float, name: str, series: int) -> None:
        """A line of a legend."""
        self.entry(y, name, *style(series))

    def entry(self, y: float, name: str, colour: str, marker: str) -> None:
        """A line of a legend, in any colour."""
        self._mark(MARGIN + 0.015 * (WIDTH - 2 * MARGIN), y, colour, marker, 6)
        self.text(0.04, y, name)

    def interval(self, y: float, estimate: Estimate, colour: str, marker: str, *, hollow: bool = False) -> None:
        """A mark with its interval along the row."""
        self.line([estimate.low, estimate.high], [y, y], colour, width=2, layer=2)
        self.mark(estimate.value, y, colour, marker, hollow=hollow)

    def columns(self, y: float, heights: Sequence[float], colour: str) -> None:
        """Columns of equal width on a base line, from 0 to 1 of the axis."""
        n = len(heights)
        for place, height in enumerate(heights):
            if height:
                left, right = self._across((place + 0.05) / n), self._across((place + 0.95) / n)
                self._box(0.5, left, y - height, right - left, height, colour, opacity=0.4)

    def svg(self, label: str, *, standalone: bool = False) -> Markup:
        """The drawing as SVG with a text alternative.

        Args:
            label: What the drawing shows, in words.
            standalone: For a file of its own rather than inside a page: light, with a background of its own, so that
                it is legible on a dark page too.
        """
        height = self.height + SCALE
        alone = {
            "xmlns": "http://www.w3.org/2000/svg", "font-family": "sans-serif", "width": _digits(ALONE * WIDTH),
            "height": _digits(ALONE * height),
        }  # fmt: skip
        root = ElementTree.Element(
            "svg",
            {
                **(alone if standalone else {}),
                "viewBox": f"0 0 {WIDTH} {_digits(height)}",
                "role": "img",
                "aria-label": for_terminal(label),
                "class": "chart",
            },
        )
        if standalone:
            root.append(ElementTree.Element("rect", {"width": "100%", "height": "100%", "rx": "4", "fill": BACK}))
        root.extend(deepcopy(element) for _, element in sorted(self._layers, key=lambda layer: layer[0]))
        if standalone:
            for element in root.iter():
                for name in {"fill", "stroke"} & element.attrib.keys():
                    element.set(name, _PALETTE.get(element.attrib[name][len("var(--") : -1], element.attrib[name]))
        return Markup(ElementTree.tostring(root, encoding="unicode"))

    def _across(self, x: float) -> float:
        low, high = self._span
        return MARGIN + (x - low) / (high - low) * (WIDTH - 2 * MARGIN)

    def _add(self, layer: float, tag: str, attributes: dict[str, str]) -> ElementTree.Element:
        element = ElementTree.Element(tag, attributes)
        self._layers.append((layer, element))
        return element

    def _text(
        self, x: float, y: float, text: str, colour: str, anchor: str, *, size: float, bold: bool = False
    ) -> None:
        attributes = {
            "x": _digits(x), "y": _digits(y), "fill": colour, "font-size": _digits(size), "text-anchor": anchor,
            "dominant-baseline": "central", **({"font-weight": "bold"} if bold else {}),
        }  # fmt: skip
        self._add(4, "text", attributes).text = text

    def _box(
        self, layer: float, x: float, y: float, width: float, height: float, colour: str, opacity: float = 1
    ) -> None:
        attributes = {
            "x": _digits(x), "y": _digits(y), "width": _digits(width), "height": _digits(height), "fill": colour,
            **({} if opacity == 1 else {"fill-opacity": _digits(opacity)}),
        }  # fmt: skip
        self._add(layer, "rect", attributes)

    def _mark(self, x: float, y: float, colour: str, marker: str, size: float, *, hollow: bool = False) -> None:
        shape = {"fill": BACK if hollow else colour, "stroke": colour, "stroke-width": "1.6"}
        self._add(3, "path", {"d": _SHAPES[marker](x, y, size / 2), "stroke-linejoin": "miter", **shape})


def _polygon(*corners: tuple[float, float]) -> Callable[[float, float, float], str]:
    """A closed outline with corners in units of half its size."""

    def path(x: float, y: float, half: float) -> str:
        return "M" + "L".join(f"{_digits(x + a * half)} {_digits(y + b * half)}" for a, b in corners) + "Z"

    return path


def _circle(x: float, y: float, half: float) -> str:
    left, radius, wide = _digits(x - half), _digits(half), _digits(2 * half)
    return f"M{left} {_digits(y)}a{radius} {radius} 0 1 0 {wide} 0a{radius} {radius} 0 1 0 -{wide} 0Z"


_PLUS = [(-1, -3), (1, -3), (1, -1), (3, -1), (3, 1), (1, 1), (1, 3), (-1, 3), (-1, 1), (-3, 1), (-3, -1), (-1, -1)]
_SHAPES: dict[str, Callable[[float, float, float], str]] = {
    "o": _circle,
    "s": _polygon((-1, -1), (1, -1), (1, 1), (-1, 1)),
    "D": _polygon((0, -1.3), (1.3, 0), (0, 1.3), (-1.3, 0)),
    "^": _polygon((0, -1.1), (1.1, 1), (-1.1, 1)),
    "v": _polygon((0, 1.1), (1.1, -1), (-1.1, -1)),
    "P": _polygon(*((a / 2.6, b / 2.6) for a, b in _PLUS)),
    "X": _polygon(*(((a - b) / 3.7, (a + b) / 3.7) for a, b in _PLUS)),
    "|": _polygon((-0.1, -1), (0.1, -1), (0.1, 1), (-0.1, 1)),
}


def _short(text: str, most: int) -> str:
    text = for_terminal(text)
    return text if len(text) <= most else text[: most - 1] + "…"


def _digits(value: float) -> str:
    """A length with a hundredth of a pixel; zero carries no sign."""
    return f"{round(value, 2) + 0.0:.2f}".rstrip("0").rstrip(".")
