"""What plug-ins are written with: types, protocols, errors, words, ranking and tables of substitutes.

Everything a ranker, attack, variation, defense, collection or executor needs is here, and stays here: names of this
module and of :mod:`robustrank.testing` are kept from version to version; those of other modules may move.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from robustrank.core.corpus_types import CorpusAttack, CorpusCase, StageOracle
from robustrank.core.detector_types import Detector, DetectorCard, Seen, shown
from robustrank.core.errors import (
    AccessDenied,
    BudgetExhausted,
    ConfigError,
    ContractError,
    DataError,
    MissingExtra,
    OracleError,
    PluginError,
    RobustRankError,
    StoreError,
)
from robustrank.core.interfaces import (
    Attack,
    Certifier,
    CollectionLoader,
    CollectionRanker,
    Defense,
    Encoder,
    Executor,
    OpenEncoder,
    Oracle,
    PieceGradients,
    Ranker,
    ReadsJudgments,
    Replacement,
    TrainingEdit,
    Variation,
    WhiteBox,
    lends_gradients,
)
from robustrank.core.plugin_spec import Plugin
from robustrank.core.progress import Progress, Silent
from robustrank.core.ranking import TIE_RULE, checked_scores, order, rank_of
from robustrank.core.sentences import SENTENCES, Sentence, moved_words, sentences
from robustrank.core.topic_types import (
    Edits,
    Learner,
    MeteredSurrogate,
    Practice,
    SurrogateAttack,
    TopicAttack,
    TopicBudget,
    TopicCase,
    TopicOracle,
)
from robustrank.core.training_types import (
    Attached,
    Continual,
    ListMaker,
    LowRank,
    Merge,
    ModelChange,
    Sampler,
    Then,
    TrainingObjective,
    TrainingOptimizer,
    Weighting,
    WithEarlier,
    WithFigures,
    WithLoss,
    WithMemory,
    WithUpdates,
)
from robustrank.core.types import (
    Access,
    AttackSet,
    Budget,
    Case,
    Certificate,
    Collection,
    Document,
    Edit,
    Estimate,
    Goal,
    Perturbation,
    Qrel,
    Query,
    Range,
    RankerCard,
    ScoredDoc,
    SpeaksOf,
    Surface,
    ThreatModel,
    Variant,
    WordGradients,
)
from robustrank.core.words import UNIT, Word, cost, gaps, in_place_of, match_case, substitute, words
from robustrank.perturbations.apply import with_edits
from robustrank.perturbations.contextual_substitutes import load as load_substitutes
from robustrank.perturbations.edited import Edited
from robustrank.perturbations.operations import Operation, declare
from robustrank.perturbations.quality import repetition
from robustrank.perturbations.rendering import (
    BLANKS,
    FILLERS,
    characters_changed,
    erased,
    look_the_same,
    rendered,
    skeleton,
    twins,
)
from robustrank.perturbations.substitutes import SubstituteTable, function_words
from robustrank.perturbations.substitutes import load as load_table
from robustrank.perturbations.trigrams import language_model, log_probabilities
from robustrank.protocols.interface import AuditProtocol, Evidence, Section
from robustrank.rankers.llm.interface import LanguageModel, Segment
from robustrank.rankers.models.batching import by_length
from robustrank.rankers.models.linear_maps import linear_maps
from robustrank.rankers.models.weights import resolve as model_folder
from robustrank.results.figures import Figure, FigureKind
from robustrank.results.summary import Summary
from robustrank.retrieval.analysis import analyze, query_keys
from robustrank.retrieval.clusters import centroid, clusters
from robustrank.retrieval.tfidf import Vectors
from robustrank.work.base import Place, Task
from robustrank.work.check_records import CheckRecord
from robustrank.work.records import (
    AttackRecord,
    CertificateRecord,
    EditRecord,
    RankingRecord,
    TaskRecord,
    VariationRecord,
)
from robustrank.work.workbench import Workbench

if TYPE_CHECKING:
    from robustrank.stats.intervals import mean, share

__all__ = [
    "BLANKS",
    "FILLERS",
    "SENTENCES",
    "TIE_RULE",
    "UNIT",
    "Access",
    "AccessDenied",
    "Attached",
    "Attack",
    "AttackRecord",
    "AttackSet",
    "AuditProtocol",
    "Budget",
    "BudgetExhausted",
    "Case",
    "Certificate",
    "CertificateRecord",
    "Certifier",
    "CheckRecord",
    "Collection",
    "CollectionLoader",
    "CollectionRanker",
    "ConfigError",
    "Continual",
    "ContractError",
    "CorpusAttack",
    "CorpusCase",
    "DataError",
    "Defense",
    "Detector",
    "DetectorCard",
    "Document",
    "Edit",
    "EditRecord",
    "Edited",
    "Edits",
    "Encoder",
    "Estimate",
    "Evidence",
    "Executor",
    "Figure",
    "FigureKind",
    "Goal",
    "LanguageModel",
    "Learner",
    "ListMaker",
    "LowRank",
    "Merge",
    "MeteredSurrogate",
    "MissingExtra",
    "ModelChange",
    "OpenEncoder",
    "Operation",
    "Oracle",
    "OracleError",
    "Perturbation",
    "PieceGradients",
    "Place",
    "Plugin",
    "PluginError",
    "Practice",
    "Progress",
    "Qrel",
    "Query",
    "Range",
    "Ranker",
    "RankerCard",
    "RankingRecord",
    "ReadsJudgments",
    "Replacement",
    "RobustRankError",
    "Sampler",
    "ScoredDoc",
    "Section",
    "Seen",
    "Segment",
    "Sentence",
    "Silent",
    "SpeaksOf",
    "StageOracle",
    "StoreError",
    "SubstituteTable",
    "Summary",
    "Surface",
    "SurrogateAttack",
    "Task",
    "TaskRecord",
    "Then",
    "ThreatModel",
    "TopicAttack",
    "TopicBudget",
    "TopicCase",
    "TopicOracle",
    "TrainingEdit",
    "TrainingObjective",
    "TrainingOptimizer",
    "Variant",
    "Variation",
    "VariationRecord",
    "Vectors",
    "Weighting",
    "WhiteBox",
    "WithEarlier",
    "WithFigures",
    "WithLoss",
    "WithMemory",
    "WithUpdates",
    "Word",
    "WordGradients",
    "Workbench",
    "analyze",
    "by_length",
    "centroid",
    "characters_changed",
    "checked_scores",
    "clusters",
    "cost",
    "declare",
    "erased",
    "function_words",
    "gaps",
    "in_place_of",
    "language_model",
    "lends_gradients",
    "linear_maps",
    "load_substitutes",
    "load_table",
    "log_probabilities",
    "look_the_same",
    "match_case",
    "mean",
    "model_folder",
    "moved_words",
    "order",
    "query_keys",
    "rank_of",
    "rendered",
    "repetition",
    "sentences",
    "share",
    "shown",
    "skeleton",
    "substitute",
    "twins",
    "with_edits",
    "words",
]


def __getattr__(name: str) -> Any:
    """Intervals, which want numpy, when they are first used."""
    if name in ("mean", "share"):
        from robustrank.stats import intervals

        return getattr(intervals, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
