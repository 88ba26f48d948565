"""Makes attacker-written text safe to display: unseen characters are labelled, formulas and escapes neutralised.

The template engine escapes HTML. This module treats what that leaves in place: characters that are invisible, reorder
the line, move a cursor or start a formula.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import groupby

from robustrank.core.words import words

_FILLERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2028\u2029\u2800\u3164\uffa0")
"""Drawn as nothing or as a line break, yet letters, marks, symbols or separators to Unicode."""

_CONTROLS = {0: "NULL", 7: "BELL", 8: "BACKSPACE", 13: "CARRIAGE RETURN", 27: "ESCAPE, BEGINS AN ANSI SEQUENCE",
             127: "DELETE", 155: "CONTROL SEQUENCE INTRODUCER"}  # fmt: skip

_KINDS = {"Cc": "CONTROL", "Cf": "FORMAT", "Cs": "LONE SURROGATE", "Cn": "UNASSIGNED"}

_VARIATIONS = re.compile("[\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]")

_STACK = re.compile("(?:(?![\u180b-\u180f])[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff]){4,}")
"""Four or more accents on one letter: no orthography needs them, and such a stack overprints neighbouring lines."""

_LATIN_TWINS = frozenset("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧον")
"""Greek letters that look like Latin ones. Other Greek letters beside Latin ones are common, as in TNFα or NF-κB."""

_COMMAND = re.compile(r"::(?=[A-Za-z])|##\[")

_FORMULA = frozenset("=+-@\t\r\n＝＋－＠")


def reveal(text: str) -> list[tuple[str, str | None]]:
    """Split a text into runs to print as they are and runs to print only with a label.

    Marked are control, format and zero-width characters (bidi controls among them), variation selectors, tags,
    fillers, lone surrogates, unassigned code points, stacks of accents, and words that mix Latin letters with Cyrillic
    or with Greek twins of Latin letters. Tab, line feed and CR LF are ordinary.

    Returns:
        Runs that join to ``text``, each with ``None`` or a label such as ``"U+202E RIGHT-TO-LEFT OVERRIDE"``. The
        label of a word begins with ``"MIXED SCRIPTS"``; such a run can be seen and may be printed.
    """
    if text.isascii() and text.isprintable():
        return [(text, None)] if text else []
    labels: list[str | None] = [label(char) for char in text]
    for pair in re.finditer("\r\n", text):
        labels[pair.start()] = None
    for stack in _STACK.finditer(text):
        labels[stack.start() : stack.end()] = [f"U+{ord(stack[0][0]):04X} AND FURTHER COMBINING MARKS"] * len(stack[0])
    for word in words(text):
        mixed = _mixed(word.text)
        if mixed and not any(labels[word.start : word.end]):
            labels[word.start : word.end] = [mixed] * len(word.text)
    runs = []
    start = 0
    for run_label, group in groupby(labels):
        end = start + len(list(group))
        runs.append((text[start:end], run_label))
        start = end
    return runs


def label(char: str) -> str | None:
    """The label of a character that is invisible or moves others; ``None`` for all others."""
    kind = unicodedata.category(char)
    if char in "\t\n" or not (kind in _KINDS or char in _FILLERS or _VARIATIONS.match(char)):
        return None
    name = unicodedata.name(char, None) or _CONTROLS.get(ord(char)) or _KINDS.get(kind, "UNNAMED")
    return f"U+{ord(char):04X} {name}"


def visible(text: str) -> str:
    """The text with everything :func:`reveal` marks as unseen replaced by ``⟨U+XXXX⟩``; line breaks stay."""
    return "".join(
        run if run_label is None or not run_label.startswith("U+") else "".join(f"⟨U+{ord(char):04X}⟩" for char in run)
        for run, run_label in reveal(text)
    )


def for_terminal(text: str) -> str:
    """One line that cannot move the cursor, change colours, reorder itself or forge a second line.

    Nor can it be a command to the runner of a workflow, which obeys lines such as ``::error::`` or ``##[group]`` of
    whatever a program prints, also where a table or a wrapped line makes a line begin in the middle of a text.
    """
    line = re.sub("[\t\n\r]", lambda match: f"⟨U+{ord(match[0]):04X}⟩", visible(text))
    return _COMMAND.sub(lambda match: "∷" if match[0] == "::" else "##⟦", line)


def beginning(text: str, most: int) -> str:
    """The first words of a text on one line: at most so many characters, and "…" where something is left out."""
    line = " ".join(text[: 4 * most].split())
    if len(line) <= most and len(text) <= 4 * most:
        return line
    words = line[: most - 1].rpartition(" ")[0]
    return f"{words if len(words) > most // 2 else line[: most - 1]}…"


def for_csv(cell: str) -> str:
    """A cell that no spreadsheet runs as a formula: a quote goes before one that could; numbers stay numbers."""
    try:
        float(cell)
    except ValueError:
        starts = cell[:1] in _FORMULA or cell.lstrip()[:1] in _FORMULA
        return f"'{cell}" if cell and starts else cell
    return cell


def _mixed(word: str) -> str | None:
    scripts = {unicodedata.name(char, "").partition(" ")[0] for char in word if not char.isascii()}
    if not scripts & {"CYRILLIC", "GREEK"} or not any(_latin(char) for char in word):
        return None
    if "CYRILLIC" in scripts:
        return "MIXED SCRIPTS: LATIN AND CYRILLIC"
    return "MIXED SCRIPTS: LATIN AND GREEK" if _LATIN_TWINS & set(word) else None


def _latin(char: str) -> bool:
    return char.isalpha() and (char.isascii() or unicodedata.name(char, "").startswith("LATIN"))
