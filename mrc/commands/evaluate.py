"""`mrc evaluate`: score a reader, or answers that any program has written."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mrc.config.command_line import parse_args
from mrc.config.evaluate import EvalConfig
from mrc.errors import InputError, expect
from mrc.files import STDIN, write_json
from mrc.runtime.terminal import IMPORTING, phase
from mrc.wording import counted

if TYPE_CHECKING:
    from mrc.commands.trained_reader import TrainedReader
    from mrc.data.examples import ExampleList
    from mrc.features.dataset import FeatureDataset
    from mrc.metrics.metrics import Metrics
    from mrc.runtime.processes import World


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    config = parse_args(EvalConfig, argv, "evaluate")
    with phase(IMPORTING):
        # What `evaluate` imports: by then it is there.
        import mrc.commands.score_answers  # noqa: F401
    evaluate(config)


def evaluate(config: EvalConfig) -> dict[str, Any]:
    """Score what `config` names, write the results, print a table, and return the results.

    Args:
        config: with `checkpoint`, a reader answers the questions; with `predictions`, answers that
            are there already are scored; with `compare`, two sets of such answers are compared.

    Returns:
        What metrics.json holds: the scores by name, their 95 % intervals, the scores of groups of
        questions and the settings; for `compare`, what comparison.json holds.

    Raises:
        InputError: something that `config` names cannot be used.
    """
    expect(
        config, EvalConfig, "evaluate: config", "an EvalConfig, as in EvalConfig(checkpoint=...)"
    )
    # Imported here, so that --help and a mistyped flag need not wait for torch.
    from mrc.commands.score_answers import compare_predictions, score_predictions
    from mrc.runtime.processes import processes

    if config.compare:
        return compare_predictions(config, *config.compare)
    if config.predictions:
        return score_predictions(config, config.predictions)
    with processes(config.device) as world:
        return score_checkpoint(config, world)


def score_checkpoint(config: EvalConfig, world: "World") -> dict[str, Any]:
    """Let a reader answer the questions, and score its answers; each process does its share."""
    from mrc.commands.results import PREDICTIONS, results_folder, results_table
    from mrc.commands.trained_reader import TrainedReader
    from mrc.model.custom import class_name
    from mrc.runtime.memory import peak_memory_mb

    started = time.perf_counter()
    with phase(f"loading {config.checkpoint}"):
        reader = TrainedReader(config)
    settled = reader.config
    dataset, source = _load_dataset(reader)

    # Logits, spans, answers, scores.
    metrics = reader.metrics(dataset)
    reader.check_threshold(metrics.allows_no_answer)
    note = "" if config.scorer else scorer_note(reader.settings.get("scorer"), metrics)
    if note:
        print(note)
    # What the pruned search says as well tells what the exact one changes.
    pruned = reader.metrics(dataset, search="pruned") if settled.search == "exact" else None
    scores = reader.answer(metrics, also=[pruned] if pruned else [], world=world)
    if not world.is_main:
        return world.broadcast(None)

    # The main process has all the answers, and writes them.
    trusted_class = config.model_class and class_name(config.model_class)
    names, results = _results(config, metrics, scores or {}, pruned)
    results["seconds"] = time.perf_counter() - started
    results["peak_memory_mb"] = peak_memory_mb(reader.device)
    results["config"] = {**settled.to_dict(), "data": source, "model_class": trusted_class}
    folder = results_folder(config.output_dir, reader.checkpoint, source)
    _write(folder, metrics, results)
    print(results_table(results, names, predictions=folder / PREDICTIONS))
    return world.broadcast(results)


def scorer_note(of_run: str | None, metrics: "Metrics") -> str:
    """Return a line if the data, and not the run, decides by which scorer it is scored, else "".

    of_run: the scorer of the run, where that is known.
    """
    has_answers = any(example.is_labeled for example in metrics.dataset.examples)
    if of_run in (None, metrics.scorer) or not has_answers:
        return ""
    return (
        f"note: the run was scored with {of_run}; this data is scored with {metrics.scorer}, "
        f"which suits it (for the run's: --scorer {of_run})"
    )


def _load_dataset(reader: "TrainedReader") -> tuple["FeatureDataset", str]:
    """The questions with the windows on their contexts, and the name of the data."""
    from mrc.commands.results import report_words
    from mrc.data.loading import report_notes

    with phase("reading the questions"):
        examples, source = _load_examples(reader)
    with phase("tokenizing"):
        dataset = reader.dataset(examples)
    report_notes(examples)
    report_words(examples, reader.config.scorer)
    sizes = f"{counted(len(examples), 'question')}, {counted(len(dataset), 'feature')}"
    print(f"{sizes}; {reader.checkpoint} on {reader.device}")
    if dataset.report():
        print(dataset.report())
    return dataset, source


def _load_examples(reader: "TrainedReader") -> tuple["ExampleList", str]:
    """The questions of --data, or those that the run was validated on, and the name of the data."""
    from mrc.data.loading import describe_source, load_questions, load_validation_data

    config = reader.config
    if config.data is not None:
        examples = load_questions(config.data, config.split, config.max_eval_examples)
        return examples, describe_source(config.data) or ""
    source = _validation_source(reader)
    validation = load_validation_data(reader.trained)
    if not validation:
        raise InputError(f"{source}: holds no question.")
    return validation.head(config.max_eval_examples), source


def _validation_source(reader: "TrainedReader") -> str:
    """Where the validation data of a run came from. Raises InputError if it is not there now."""
    from mrc.data.loading import IN_MEMORY

    trained = reader.trained
    source = trained.validation_file
    if source is None and trained.validation_fraction:
        source = trained.train_file
    if source is None and trained.train_file is None:
        source = trained.data

    run = f"the run of {reader.config.checkpoint}"
    saved = reader.settings.get("config") or {}
    if not saved.get("data") and saved.get("train_file") is None:
        problem = f"{reader.config.checkpoint} does not say what it was validated on"
    elif source is None:
        problem = f"{run} had no validation data"
    elif source == STDIN:
        problem = f"{run} was validated on what it read from standard input"
    elif source.startswith(IN_MEMORY):
        problem = f"{run} was validated on data in memory"
    else:
        return source
    raise InputError(f"--data is needed: {problem}.")


def _results(
    config: EvalConfig, metrics: "Metrics", scores: dict[str, Any], pruned: "Metrics | None"
) -> tuple[list[str], dict[str, Any]]:
    """The names of the scores, and what metrics.json says: the scores, then what explains them."""
    from mrc.commands.results import report_unsupported, score_names
    from mrc.metrics.analysis import details
    from mrc.metrics.answers import count_differences, strip_particle

    results: dict[str, Any] = {}
    if "eval_loss" in scores:
        results["eval_loss"] = scores.pop("eval_loss")
    examples, windows = metrics.dataset.examples, metrics.dataset.windows
    results["scorer"] = metrics.scorer
    results["questions"] = len(examples)
    results["windows"] = len(metrics.dataset)
    results["without_span"] = metrics.without_span
    if pruned:
        changed = count_differences(metrics.predictions, pruned.predictions)
        results["answers_changed_by_exact_search"] = changed
    if config.strip_particles:
        results["with_particles"] = scores
        metrics.predictions = {i: strip_particle(text) for i, text in metrics.predictions.items()}
        scores = metrics.gold.score(metrics.predictions)
    if scores:
        report_unsupported(metrics.gold)
        results.update(details(metrics.gold, metrics.predictions, examples, windows))
    return score_names(scores), {**scores, **results}


def _write(folder: Path, metrics: "Metrics", results: dict[str, Any]) -> None:
    """Write the answers and the results."""
    from mrc.commands.results import PREDICTIONS

    write_json(folder / PREDICTIONS, metrics.predictions, indent=2)
    write_json(folder / "nbest_predictions.json", metrics.n_best, indent=2)
    if metrics.allows_no_answer:
        write_json(folder / "null_odds.json", metrics.null_odds, indent=2)
    write_json(folder / "metrics.json", results, indent=2)
