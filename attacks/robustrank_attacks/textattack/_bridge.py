"""Loads the package TextAttack on request, isolated from other packages, and defines its goal function."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

from robustrank.plugin import BudgetExhausted, MissingExtra, Oracle, Perturbation, function_words


def goal(textattack: Any, score: Callable[[Sequence[Any]], Sequence[float]], done: Callable[[], bool]) -> Any:
    """A goal function of TextAttack: the higher the victim's score the better, complete when ``done`` says so.

    Args:
        textattack: The package.
        score: Scores of TextAttack's texts.
        done: Whether the target's rank is good enough.
    """

    class ReachRank(textattack.goal_functions.GoalFunction):  # type: ignore[misc]
        def _call_model(self, texts: Sequence[Any]) -> Sequence[float]:
            return score(texts)

        def _is_goal_complete(self, output: float, text: Any) -> bool:
            return done()

        def _get_score(self, output: float, text: Any) -> float:
            return float(output)

        def _get_displayed_output(self, output: float) -> float:
            return output

        def _goal_function_result_type(self) -> Any:
            return textattack.goal_function_results.ClassificationGoalFunctionResult

        def _process_model_outputs(self, inputs: Any, outputs: Any) -> Any:
            return outputs

    # TextAttack looks at the class of its model wrapper's model.
    return ReachRank(SimpleNamespace(model=None), use_cache=False)


def paid(oracle: Oracle, trials: Sequence[Perturbation]) -> list[tuple[int, float]]:
    """Rank and score of as many trials as the budget allows: TextAttack requests a whole step at once."""
    return oracle.outcomes(trials[: oracle.affordable()])


def all_scores(outcomes: Sequence[tuple[int, float]], requested: int) -> list[float]:
    """The scores that TextAttack requested.

    Raises:
        BudgetExhausted: Some of them could not be paid, so its search ends here.
    """
    if len(outcomes) < requested:
        raise BudgetExhausted(f"{requested - len(outcomes)} of {requested} texts were not paid for")
    return [score for _, score in outcomes]


@contextmanager
def package() -> Iterator[Any]:
    """The package, with the logging it resets at import put back."""
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    try:
        _stop_words()
        import textattack
        import textattack.constraints.overlap
        import textattack.constraints.pre_transformation
        import textattack.goal_functions
        import textattack.search_methods
        import textattack.transformations.word_swaps
    except ImportError as error:
        package = error.name or "textattack"
        raise MissingExtra("the textattack attack", extra="textattack", package=package) from error
    finally:
        root.setLevel(level)
        root.handlers[:] = handlers
    textattack.shared.logger.setLevel(logging.ERROR)  # it warns of every goal function that is not its own
    yield textattack


@lru_cache(maxsize=1)
def _stop_words() -> TemporaryDirectory[str] | None:
    """Where NLTK has no stop words, function words in their place, for as long as the process lives.

    TextAttack fails at import without a list, and recipes that spare stop words read it when they are built.
    """
    import nltk

    try:
        nltk.data.find("corpora/stopwords")
    except LookupError:
        folder = TemporaryDirectory()
        path = Path(folder.name) / "corpora" / "stopwords" / "english"
        path.parent.mkdir(parents=True)
        path.write_text("\n".join(sorted(function_words())) + "\n", encoding="utf-8")
        nltk.data.path.append(folder.name)
        return folder
    return None
