"""Answerers: questions to answers, as `mrc evaluate` scores them or as `mrc ask` shows them."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any, NamedTuple

from mrc.commands.trained_reader import TrainedReader
from mrc.config.predict import PredictConfig
from mrc.data.examples import Example, ExampleList
from mrc.errors import InputError
from mrc.metrics.metrics import Metrics
from mrc.metrics.scoring import SCORERS, choose_scorer
from mrc.reader.reader import Reader
from mrc.runtime.processes import local_device

# {"answer", "score", "start", "end"} for each answer to a question, best first.
Answers = list[dict[str, Any]]

# The settings of an evaluation that its answers depend on; of the others, only the speed does.
DECISIVE = (
    "max_length",
    "stride",
    "max_question_length",
    "precision",
    "search",
    "n_best",
    "max_answer_length",
    "null_threshold",
)


class Answerer(NamedTuple):
    """What answers questions.

    Attributes:
        answer: examples -> the Answers to each.
        settings: what the answers depend on, besides the weights and the questions.
        scorer: the name of the scorer that mrc evaluate would use.
    """

    answer: Callable[[Sequence[Example]], list[Answers]]
    settings: dict[str, Any]
    scorer: str


def make_answerer(config: PredictConfig, examples: ExampleList) -> Answerer:
    """Load a reader that answers `examples`, perhaps in parts, as `config.scoring` says.

    Raises:
        InputError: the checkpoint or the settings cannot be used.
    """
    if config.scoring == "pipeline":
        return _pipeline_answerer(config, examples)
    return _n_best_answerer(config, examples)


def _n_best_answerer(config: PredictConfig, examples: ExampleList) -> Answerer:
    """The answers and probabilities of `mrc evaluate`."""
    reader = TrainedReader(config.as_evaluated())
    if config.top_k > reader.config.n_best:
        raise InputError(
            f"--top-k {config.top_k}: {reader.config.n_best} answers are weighed per question; "
            f"add --n-best {config.top_k}."
        )
    # Decided once: a part of the questions may look like another kind of data than all of them.
    scorer = _chosen(reader.config.scorer, examples)
    allows_no_answer = config.handle_impossible_answer == "yes"
    if config.handle_impossible_answer == "auto":
        allows_no_answer = reader.knows_no_answer or SCORERS[scorer].allows_no_answer
    reader.check_threshold(allows_no_answer)

    def answer(part: Sequence[Example]) -> list[Answers]:
        metrics = reader.metrics(
            reader.dataset(part), scorer=scorer, allows_no_answer=allows_no_answer
        )
        reader.answer(metrics)
        return [_answers(metrics, example.id)[: config.top_k] for example in part]

    settings = {name: getattr(reader.config, name) for name in DECISIVE}
    made_with = {**settings, "allows_no_answer": allows_no_answer, "top_k": config.top_k}
    return Answerer(answer, made_with, scorer)


def _pipeline_answerer(config: PredictConfig, examples: ExampleList) -> Answerer:
    """The answers and scores of `mrc ask`."""
    asked = config.as_asked().changed(device=local_device(config.device))
    reader, settings = Reader.of(asked)
    settings = replace(settings, top_k=config.top_k)

    def answer(part: Sequence[Example]) -> list[Answers]:
        found = reader(part, **asdict(settings))
        return [answers if isinstance(answers, list) else [answers] for answers in found]

    trained = reader.settings.get("config") or {}
    scorer = _chosen(trained.get("scorer", "auto"), examples)
    # Only the speed depends on the size of batches.
    decisive = {name: value for name, value in asdict(settings).items() if name != "batch_size"}
    return Answerer(answer, {**decisive, "precision": asked.precision}, scorer)


def _chosen(scorer: str, examples: ExampleList) -> str:
    return choose_scorer(examples) if scorer == "auto" else scorer


def _answers(metrics: Metrics, identity: str) -> Answers:
    """The answers to a question: the one that is scored, then the others by probability."""
    answers = [
        {
            "score": candidate["probability"],
            "start": candidate["start"],
            "end": candidate["end"],
            "answer": candidate["text"],
        }
        for candidate in metrics.n_best[identity]
    ]
    # A null threshold may put the empty answer before a likelier one, or behind it.
    texts = [answer["answer"] for answer in answers]
    answers.insert(0, answers.pop(texts.index(metrics.predictions[identity])))
    return answers
