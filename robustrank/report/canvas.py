"""A matplotlib figure measured in CSS pixels that becomes inline SVG in the page's own colours and fonts.

Drawn 400 units wide with labels above the marks, so that it reads on a telephone. Colours are Okabe and Ito's, which
colour-blind readers can tell apart, held as placeholders until they become CSS variables. The markup is rebuilt from
its parsed tree, so whatever stands in a label stays text. The same figure gives the same bytes.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from xml.etree import ElementTree

from markupsafe import Markup

from robustrank.core.escaping import for_terminal
from robustrank.core.types import Estimate
from robustrank.report.filters import number

WIDTH, MARGIN, SCALE = 400, 10, 34
"""``SCALE`` is the room under the plot for its ticks and the axis's name."""

INK, MUTED, RULE, BAND, BACK, ATTACK = (f"#0101{n:02x}" for n in range(1, 7))
SERIES = tuple(f"#0102{n:02x}" for n in range(1, 7))
MARKERS = "osD^vPX"
LINES = ("-", "--", "-.", ":")
_VARIABLES = {
    **dict(
        zip((INK, MUTED, RULE, BAND, BACK, ATTACK), ("ink", "muted", "rule", "band", "back", "attack"), strict=True)
    ),
    **{colour: f"series-{n}" for n, colour in enumerate(SERIES, start=1)},
}
_SVG = "{http://www.w3.org/2000/svg}"
_HREF = "{http://www.w3.org/1999/xlink}href"


def style(index: int) -> tuple[str, str]:
    """Colour and marker of the n-th ranker or K; every pair of the first 42 differs."""
    return SERIES[index % len(SERIES)], MARKERS[index % len(MARKERS)]


@contextmanager
def settings() -> Iterator[None]:
    """What every figure is drawn under."""
    import matplotlib

    with matplotlib.rc_context(), warnings.catch_warnings():
        matplotlib.rcdefaults()  # whatever the user's matplotlibrc says
        matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "robustrank"})
        # The page's fonts draw the text; where matplotlib's own lacks a letter, only its guess of a width is worse.
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        yield


class Canvas:
    """Axes whose vertical unit is one CSS pixel, downwards, over a horizontal scale.

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
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator

        full = height + SCALE
        self.height = height
        self._figure = Figure(figsize=(WIDTH / 72, full / 72), facecolor="none")
        place = (MARGIN / WIDTH, SCALE / full, 1 - 2 * MARGIN / WIDTH, height / full)
        self.axes = self._figure.add_axes(place, facecolor="none")
        self.axes.set_ylim(height, 0)
        self.axes.set_xlim(*span)
        self.axes.axis("off")
        self._across = self.axes.get_yaxis_transform()
        for tick in MaxNLocator(nbins=5).tick_values(*span) if ticks is None else ticks:
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
        self.axes.text(
            x, y, _short(text, most), transform=self._across, va="center", ha="right" if x == 1 else "left",
            color=colour, fontsize=size, fontweight="bold" if bold else "normal", parse_math=False,
        )  # fmt: skip

    def tick(self, x: float, text: str) -> None:
        """A tick's name under the plot."""
        self.axes.text(x, self.height + 11, text, ha="center", va="center", color=MUTED, fontsize=9, parse_math=False)

    def label(self, y: float, left: str, right: str = "") -> None:
        """What a row is, and its figure."""
        self.text(0, y, left, most=38 if right else 56)
        self.text(1, y, right, MUTED, size=9.5)

    def line(self, x: Sequence[float], y: Sequence[float], colour: str, *, width: float = 1, dash: str = "-") -> None:
        """A line behind the marks."""
        self.axes.plot(x, y, color=colour, linewidth=width, linestyle=dash, zorder=1, clip_on=False)

    def key(self, y: float, name: str, series: int) -> None:
        """A line of a legend."""
        self.entry(y, name, *style(series))

    def entry(self, y: float, name: str, colour: str, marker: str) -> None:
        """A line of a legend, in any colour."""
        self.axes.plot(0.015, y, marker=marker, color=colour, transform=self._across, markersize=6, clip_on=False)
        self.text(0.04, y, name)

    def interval(self, y: float, estimate: Estimate, colour: str, marker: str, *, hollow: bool = False) -> None:
        """A mark with its interval along the row."""
        ends, value = [estimate.low, estimate.high], estimate.value
        self.axes.plot(ends, [y, y], color=colour, linewidth=2, solid_capstyle="butt", zorder=2, clip_on=False)
        self.axes.plot(
            value, y, marker=marker, markersize=7, color=colour, markerfacecolor=BACK if hollow else colour,
            markeredgewidth=1.6, zorder=3, clip_on=False,
        )  # fmt: skip

    def columns(self, y: float, heights: Sequence[float], colour: str) -> None:
        """Columns of equal width on a base line, from 0 to 1 of the axis; one object, because bars are slow."""
        from matplotlib.collections import PolyCollection

        wide, n = 0.9 / len(heights), len(heights)
        lefts = [((place + 0.05) / n, height) for place, height in enumerate(heights) if height]
        boxes = [[(x, y), (x, y - height), (x + wide, y - height), (x + wide, y)] for x, height in lefts]
        self.axes.add_collection(PolyCollection(boxes, facecolors=colour, alpha=0.4, linewidths=0), autolim=False)

    def svg(self, key: str, label: str) -> Markup:
        """The figure as inline SVG with a text alternative; ``key`` makes its ids unique on the page."""
        written = io.StringIO()
        self._figure.savefig(written, format="svg", metadata={"Date": None, "Creator": None})
        root = ElementTree.fromstring(written.getvalue())
        for parent in list(root.iter()):
            for child in list(parent):
                if child.tag == f"{_SVG}metadata" or child.find(f"{_SVG}style") is not None:
                    parent.remove(child)  # its style sheet would apply to the whole page
        used = set(re.findall(r"#(\w+)", " ".join(value for e in root.iter() for value in e.attrib.values())))
        for element in root.iter():
            element.tag, element.tail = element.tag.removeprefix(_SVG), None
            element.attrib = {
                "href" if name == _HREF else name: _attribute(name, value, key)
                for name, value in element.attrib.items()
                if name != "id" or value in used
            }
        box = root.attrib["viewBox"]
        root.attrib = {"viewBox": box, "role": "img", "aria-label": for_terminal(label), "class": "chart"}
        return Markup(ElementTree.tostring(root, encoding="unicode"))


def _short(text: str, most: int) -> str:
    text = for_terminal(text)
    return text if len(text) <= most else text[: most - 1] + "…"


def _attribute(name: str, value: str, key: str) -> str:
    if name == "id":
        return f"{key}-{value}"
    if name == "style":
        value = re.sub("font(-family)?:[^;]*;?", _font, value)
        return re.sub("#[0-9a-f]{6}", lambda match: f"var(--{_VARIABLES[match[0]]})", value)
    return " ".join(re.sub(r"#(?=\w)", f"#{key}-", value).split())


def _font(declaration: re.Match[str]) -> str:
    """Size and weight of a font declaration; the family is the page's."""
    size = re.search(r"[\d.]+px", declaration[0])
    weight = "font-weight:bold;" if "bold" in declaration[0] or " 700 " in declaration[0] else ""
    return f"{weight}font-size:{size[0]};" if size else ""
