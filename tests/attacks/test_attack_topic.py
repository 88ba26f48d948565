"""Topic attacks on problems small enough to enumerate."""

from __future__ import annotations

import itertools
import runpy
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("gymnasium")

import torch
from numpy.typing import NDArray

from robustrank.core.topic_types import TopicBudget, TopicCase
from robustrank.core.types import Document, Query
from robustrank.core.words import words
from robustrank.testing import KilledAfter
from robustrank_attacks.topic import feedback, learner, searches
from robustrank_attacks.topic.board import FEATURES, Board, Move, Place
from robustrank_attacks.topic.environment import TopicEnvironment
from robustrank_attacks.topic.policy import Episodes, Policy, sample
from robustrank_attacks.topic.surrogate import GroupSurrogate

Value = Callable[[Sequence[str]], NDArray[np.float64]]

# Two queries, each a bag of words with weights; a document's score for a query is the sum over its words.
QUERIES = [{"sea": 1.0, "ship": 2.0, "cat": -1.0}, {"sea": 1.5, "boat": 1.0, "dog": 0.5}]


def score(text: str) -> NDArray[np.float64]:
    return np.array([sum(weight.get(word.text.lower(), 0.0) for word in words(text)) for weight in QUERIES])


def value(texts: Sequence[str]) -> NDArray[np.float64]:
    return np.array([score(text).mean() for text in texts])


def board(*, substitutions: int = 2, insertions: int = 1) -> Board:
    """ "a cat boat": three words with two substitutes each, and two places for a trigger."""
    places = (
        Place(0, False, ("the", "dog")),
        Place(1, False, ("dog", "ship")),
        Place(2, False, ("ship", "sea")),
        Place(0, True, ("sea", "boat")),
        Place(10, True, ("sea", "boat")),
    )
    text = "a cat boat"
    budget = TopicBudget(substitutions=substitutions, insertions=insertions)
    bare = Board(text, places, np.zeros((5, 2, len(FEATURES))), budget)
    features = np.zeros((5, 2, len(FEATURES)))
    for place in range(5):
        for word in range(2):
            gains = score(bare.render([(place, word)])) - score(text)
            features[place, word, :6] = [
                place > 2, place / 5, gains.mean(), gains.min(), gains.std(), (gains > 0).mean()
            ]  # fmt: skip
    return Board(text, places, features, budget)


def best(of: Board) -> float:
    """The utility of the best end state, by trying all of them."""
    every = [(p, w) for p, place in enumerate(of.places) for w in range(len(place.words))]
    states = [
        moves
        for size in range(of.longest + 1)
        for moves in itertools.combinations(every, size)
        if all(of.legal(moves[:i])[move] for i, move in enumerate(moves))
    ]
    return max(float(value([of.render(moves)])[0]) for moves in states)


def test_a_state_forbids_taken_places_spent_budgets_and_used_triggers() -> None:
    of = board(substitutions=1, insertions=2)
    legal = of.legal([(0, 0), (3, 1)])
    assert not legal[:4].any()
    assert legal[4].tolist() == [True, False]


def test_moves_commute() -> None:
    of = board()
    moves: list[Move] = [(1, 1), (3, 0), (2, 1)]
    assert {of.render(order) for order in itertools.permutations(moves)} == {"sea a ship sea"}


@pytest.mark.parametrize("seed", range(5))
def test_a_trained_policy_reaches_the_enumerated_optimum(seed: int) -> None:
    of, policy = board(), seeded(seed)
    learner.train(policy, [(of, value)], learner.Training(steps=120, learning_rate=1e-2, seed=seed))
    with torch.no_grad():
        (moves,) = sample(policy, of, 1, torch.Generator(), greedy=True).moves
    assert value([of.render(moves)])[0] >= 0.99 * best(of)


def test_greedy_is_optimal_where_gains_add_up() -> None:
    of = board()
    assert value([of.render(searches.greedy(of, value)[0])])[0] == best(of)


def test_a_beam_is_never_worse_than_greedy() -> None:
    def odd(texts: Sequence[str]) -> NDArray[np.float64]:  # two edits that are worth something together alone
        return np.array([3.0 * ("dog" in text and "ship" in text) + 0.5 * ("the" in text) for text in texts])

    of = board(insertions=0)
    reached = [odd([of.render(searches.beam(of, odd, width=width)[0])])[0] for width in (1, 8)]
    assert reached == [0.5, 3.0] or reached[1] >= reached[0]


def test_before_any_answer_the_surrogate_decides_what_is_asked() -> None:
    belief = feedback.Belief([[(0, 0)], [(1, 0)], [(2, 0)]], np.array([0.1, 0.3, 0.2]))
    assert belief.next() == 1


def test_an_answer_speaks_of_all_texts_that_share_a_move() -> None:
    pool = [[(0, 0), (1, 0)], [(0, 0), (2, 0)], [(3, 0), (4, 0)]]
    belief = feedback.Belief(pool, np.array([0.3, 0.2, 0.2]))
    belief.observe(0, -0.3)
    mean, deviation = belief.predict()
    assert mean[1] < mean[2]
    assert deviation[1] < deviation[2]
    assert belief.next() == 2


def test_the_belief_is_the_posterior_of_a_gaussian_process() -> None:
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import DotProduct, WhiteKernel

    pool = [[(0, 0)], [(1, 0)], [(0, 0), (1, 0)], [(1, 0), (2, 1)], [(0, 0), (1, 0), (2, 1)]]
    expected = np.array([0.2, 0.1, 0.3, 0.3, 0.5])
    belief = feedback.Belief(pool, expected)
    answers = {0: 0.4, 3: -0.1, 2: 0.3}
    for text, answer in answers.items():
        belief.observe(text, answer)
    # The same kernel as a linear one: a column for the slope, and one for every move.
    scale = float(np.mean(expected**2))
    moves = [(0, 0), (1, 0), (2, 1)]
    made = np.array([[float(move in one) for move in moves] for one in pool])
    rows = np.column_stack([expected, made * np.sqrt(scale / 3)])
    kernel = DotProduct(0.0, "fixed") + WhiteKernel(feedback.NOISE * scale, "fixed")
    fitted = GaussianProcessRegressor(kernel, optimizer=None, alpha=0.0)
    observed = list(answers)
    fitted.fit(rows[observed], np.array(list(answers.values())) - expected[observed])
    np.testing.assert_allclose(belief.predict()[0], expected + fitted.predict(rows), atol=1e-9)


def test_random_moves_are_legal_and_spend_the_budget() -> None:
    of = board()
    for seed in range(20):
        moves = searches.at_random(of, Random(seed))
        assert len(moves) == of.longest == 3
        assert all(of.legal(moves[:i])[move] for i, move in enumerate(moves))


def test_rewards_sum_to_what_the_episode_achieved() -> None:
    environment = TopicEnvironment([(board(), lambda text: float(value([text])[0]))])
    rng = np.random.default_rng(0)
    for _ in range(20):
        _, info = environment.reset(seed=1)
        clean, total, done = info["utility"], 0.0, False
        while not done:
            action = int(rng.choice(np.flatnonzero(environment.action_masks())))
            _, reward, done, _, info = environment.step(action)
            total += reward
        assert total == pytest.approx(info["utility"] - clean, abs=1e-12)
        assert info["utility"] == value([info["text"]])[0]


def test_gymnasium_finds_nothing_wrong() -> None:
    from gymnasium.utils.env_checker import check_env

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*(infinity|render|spec|np.float32|minimum|maximum).*")
        check_env(TopicEnvironment([(board(), lambda text: float(value([text])[0]))]))


@pytest.mark.slow
def test_a_known_library_trains_on_it_under_action_masks() -> None:
    pytest.importorskip("sb3_contrib", reason="the library of the example, sb3-contrib, is not installed")
    example = runpy.run_path(str(Path(__file__).parents[2] / "docs" / "examples" / "topic_maskable_ppo.py"))
    environment = TopicEnvironment([(board(), lambda text: float(value([text])[0]))])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = example["train"](environment, 2048)
    gained = example["gain"](model, environment, 0)
    assert gained >= 0.9 * (best(board()) - float(value([board().text])[0]))


def test_an_illegal_move_ends_the_episode_and_earns_nothing() -> None:
    environment = TopicEnvironment([(board(), lambda text: float(value([text])[0]))])
    environment.reset(seed=1)
    environment.step(1)
    _, reward, done, _, info = environment.step(1)
    assert (reward, done, info["text"]) == (0.0, True, "the cat boat")


def test_probabilities_of_all_episodes_sum_to_one() -> None:
    of = board(substitutions=1, insertions=0)
    policy = seeded(3)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        played = sample(policy, of, 3000, generator)
    seen = {tuple(moves): float(p) for moves, p in zip(played.moves, played.log_probabilities, strict=True)}
    assert len(seen) == 7  # stop at once, or one of six substitutions
    assert sum(np.exp(p) for p in seen.values()) == pytest.approx(1.0, abs=1e-5)
    for moves, p in seen.items():
        share = sum(tuple(m) == moves for m in played.moves) / 3000
        assert share == pytest.approx(np.exp(p), abs=4 * np.sqrt(np.exp(p) / 3000))


def test_the_gradient_on_a_bandit_is_the_analytic_one() -> None:
    # Two arms with rewards 1 and 3: the gradient of the expected reward in the first logit is p (1 - p) (1 - 3).
    logits = torch.tensor([0.3, -0.2], requires_grad=True)
    rewards = torch.tensor([1.0, 3.0])
    generator = torch.Generator().manual_seed(5)
    chances = torch.softmax(logits, 0)
    arms = torch.multinomial(chances.detach(), 40_000, replacement=True, generator=generator)
    played = Episodes([], torch.log_softmax(logits, 0)[arms], torch.tensor(0.0))
    (gradient,) = torch.autograd.grad(learner.loss(played, rewards[arms], 0.0), logits)
    p = float(chances[0].detach())
    analytic = p * (1 - p) * (1.0 - 3.0)
    assert -float(gradient[0]) == pytest.approx(analytic, abs=4 * 2 / np.sqrt(40_000))
    assert float(gradient.sum()) == pytest.approx(0.0, abs=1e-6)


def test_a_killed_training_resumes_to_the_same_policy(tmp_path: Path) -> None:
    boards = [(board(), value), (board(substitutions=1), value)]
    training = learner.Training(steps=12, checkpoint=5)
    whole = seeded(1)
    learner.train(whole, boards, training, folder=tmp_path / "whole")

    with pytest.raises(KeyboardInterrupt):
        learner.train(seeded(1), boards, training, folder=tmp_path / "killed", progress=KilledAfter(6))
    resumed = seeded(2)  # what it starts from does not matter: the checkpoint has it all
    course = learner.train(resumed, boards, training, folder=tmp_path / "killed")
    assert course.step == 12
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name])
    assert torch.equal(learner.load(tmp_path / "whole" / learner.CHECKPOINT).where.weight, whole.where.weight)


def test_a_document_without_places_is_left_alone() -> None:
    empty = Board("", (), np.zeros((0, 0, len(FEATURES))), TopicBudget())
    assert sample(seeded(0), empty, 2, torch.Generator()).moves == [[], []]
    assert searches.greedy(empty, value) == []
    assert searches.at_random(empty, Random(0)) == []


def seeded(seed: int) -> Policy:
    torch.manual_seed(seed)
    return Policy()


class Bags:
    """Stands in for a fitted surrogate: a text's vector counts its words, a query weighs its own words by one."""

    def __init__(self, vocabulary: str) -> None:
        self._index = {word: i for i, word in enumerate(vocabulary.split())}

    def query(self, text: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        columns = np.array(sorted({self._index[word] for word in text.split()}))
        return columns, np.ones(len(columns))

    def heads(self, topic_id: str, texts: Sequence[str]) -> list[tuple[NDArray[np.int64], NDArray[np.float64]]]:
        return [self.query(text) for text in texts]

    def pieces(self, vocabulary: Sequence[str]) -> list[tuple[int, ...]]:
        return [(self._index[word],) for word in vocabulary]

    def weighed(self, texts: Sequence[str], columns: NDArray[np.int64]) -> NDArray[np.float64]:
        words_of = [text.split() for text in texts]
        every = list(self._index)
        return np.array([[float(terms.count(every[column])) for column in columns] for terms in words_of])

    def listed(self, topic_id: str, texts: Sequence[str], columns: NDArray[np.int64]) -> NDArray[np.float64]:
        return self.weighed(texts, columns)


def test_words_of_the_heads_of_the_lists_are_relevant_and_those_of_the_tails_are_not() -> None:
    docs = [Document(str(i), text) for i, text in enumerate(["a", "b b", "b", "c", "c c", "a c", "x"])]
    case = TopicCase("t", (Query("q", "a"),), docs[6], (tuple(docs),))
    view = GroupSurrogate(Bags("a b c x"), case)  # type: ignore[arg-type]
    # Heads count 1, 1/2 and 1/3; the target is neither head nor tail.
    heads = np.array([1.0, 1.0 + 1 / 3, 0.0]) / (1 + 1 / 2 + 1 / 3)
    tails = np.array([1.0, 0.0, 4.0]) / 3
    np.testing.assert_allclose(view.relevance(["a", "b", "c"]), heads - tails)
    np.testing.assert_allclose(view.query_weight(["a", "b"]), [1.0, 0.0])
    # The topic: "a" counts 1, "b" the 1/2 and 1/3 of the documents that speak of it.
    share = np.array([1.0, 1 / 2 + 1 / 3]) / (1 + 1 / 2 + 1 / 3)
    np.testing.assert_allclose(view.probe(["a b b", "c"]), np.array([[1.0, share @ np.array([1.0, 2.0])], [0.0, 0.0]]))
    ends = np.array([1 * share[0], 2 * share[1], share[1], 0, 0, share[0]])
    np.testing.assert_allclose(view.scale, [np.std([1, 0, 0, 0, 0, 1]), ends.std()])


def test_lists_that_hold_the_target_alone_tell_nothing_of_the_topic() -> None:
    case = TopicCase("t", (Query("q", "a"),), Document("d", "a c"), ((Document("d", "a c"),),))
    view = GroupSurrogate(Bags("a b c"), case)  # type: ignore[arg-type]
    np.testing.assert_allclose(view.probe(["a a"]), [[2.0, 0.0]])


def test_documents_of_a_topic_are_encoded_once_and_other_texts_every_time() -> None:
    from robustrank_attacks.topic.surrogate import Surrogate, SurrogateOptions

    surrogate = Surrogate(SurrogateOptions())
    docs = [Document(str(i), text) for i, text in enumerate(["a ship at sea", "boats", "a cat", "dogs and cats"])]
    case = TopicCase("t", (Query("q", "boats at sea"), Query("p", "ships")), docs[3], (tuple(docs), tuple(docs)))
    view, texts = surrogate.of(case), [doc.text for doc in docs]
    columns, _ = surrogate.query("boats at sea")
    np.testing.assert_allclose(
        surrogate.listed("t", texts, columns), surrogate.weighed(texts, columns), rtol=1e-5, atol=1e-5
    )
    before = surrogate.texts_scored
    assert len(view.competitors[0]) == 3
    assert surrogate.texts_scored == before  # the same topic
    surrogate.of(case._replace(topic_id="another")).competitors  # noqa: B018 - a lazy property
    assert surrogate.texts_scored == before + 3


def test_first_order_gains_are_the_slopes_of_the_probe() -> None:
    """Moving a word's embedding a little towards another changes the scores by as little of what was promised."""
    from robustrank_attacks.topic.surrogate import Surrogate, SurrogateOptions

    surrogate = Surrogate(SurrogateOptions())
    read = ["a sleepy dog", "dogs sleep", "old ships", "the old dog sleeps"]
    docs = [Document(str(i), text) for i, text in enumerate(read)]
    case = TopicCase("t", (Query("q", "boats at sea"), Query("p", "dogs")), docs[3], (tuple(docs), tuple(docs)))
    view, text, step = surrogate.of(case), docs[3].text, 1e-2
    promised = view.gains(text, {2: ["cat", "ship"]})[2]
    embeddings = surrogate.model.get_input_embeddings()
    ((dog,), (cat,), (ship,)) = surrogate.pieces(["dog", "cat", "ship"])
    (clean,) = view.probe([text])
    for row, new in enumerate((cat, ship)):
        way = (embeddings.weight[new] - embeddings.weight[dog]).detach()
        moving = embeddings.register_forward_hook(
            lambda _, given, hidden, way=way: hidden + step * way * (given[0] == dog).unsqueeze(-1)
        )
        (moved,) = view.probe([text])
        moving.remove()
        np.testing.assert_allclose((moved - clean) / step, promised[row], rtol=0.1, atol=2e-2)


def test_the_critic_learns_what_moves_are_worth_where_gains_add_up() -> None:
    of, policy = board(), seeded(1)
    learner.train(policy, [(of, value)], learner.Training(steps=200, learning_rate=1e-2, entropy=20.0))
    played: list[list[Move]] = [[(0, 1)], [(1, 1)], [(2, 0), (4, 0)], [(0, 0), (2, 1), (3, 1)]]
    true = value([of.render(moves) for moves in played]) - value([of.text])
    with torch.no_grad():
        np.testing.assert_allclose(policy.expected(of, played).numpy(), true, atol=0.3)


def test_the_text_that_is_shown_is_the_best_in_the_light_of_all_answers() -> None:
    belief = feedback.Belief([[(0, 0)], [(1, 0)], [(2, 0)]], np.array([0.1, 0.3, 0.2]))
    assert belief.best() is None
    belief.observe(1, 0.2)
    belief.observe(0, 0.4)
    assert belief.best() == 0


def test_where_nothing_gains_the_clean_text_is_shown() -> None:
    belief = feedback.Belief([[(0, 0)], [(1, 0)]], np.array([0.1, 0.3]))
    belief.observe(0, -0.4)
    belief.observe(1, -0.5)
    assert belief.best() is None
