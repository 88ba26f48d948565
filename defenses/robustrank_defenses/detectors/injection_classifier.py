"""An installed classifier of prompt injections, on stretches of a document.

SecureVector Guardian (Apache-2.0): logistic regression over words and characters, trained by its authors on their own
texts, in plain Python; it comes with its package and asks no network. What it was trained for is instructions to
language models, not ranking.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from robustrank.plugin import DetectorCard, Document, MissingExtra, Seen, words

PACKAGE = "svguardian"
BUNDLE = "_runtime/guardian.runtime.json.gz"


@dataclass(frozen=True, kw_only=True)
class InjectionClassifier:
    """The highest score of a stretch of words under SecureVector Guardian (extra ``injection``).

    Args:
        window: Words of a stretch; stretches begin half of that apart.
    """

    window: int = 24

    @property
    def card(self) -> DetectorCard:
        """Reads the document alone."""
        release = version("securevector-guardian-model") if find_spec(PACKAGE) else "not installed"
        return DetectorCard(name="injection_classifier", fingerprint=f"guardian {release} {self.window}")

    def suspicion(self, document: Document, seen: Seen, /) -> float | None:
        """From 0 to 1; ``None`` of a text without words.

        Raises:
            MissingExtra: Its package is not installed.
        """
        read, text = words(document.text), document.text
        if not read:
            return None
        starts = range(0, max(1, len(read) - self.window // 2), max(1, self.window // 2))
        parts = [read[at : at + self.window] for at in starts]
        return max(_model()(text[part[0].start : part[-1].end]) for part in parts)


@cache
def _model() -> Callable[[str], float]:
    """From a text to the probability that it is an attack."""
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtra("the injection classifier", extra="injection", package="securevector-guardian-model")
    from svguardian.model.pure_infer import PureGuardian

    # Its own look-up would download where the package has no weights.
    guardian = PureGuardian.load(str(Path(next(iter(spec.submodule_search_locations))) / BUNDLE))
    return lambda text: float(guardian.predict(text)["malicious_score"])
