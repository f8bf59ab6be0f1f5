"""`mrc evaluate`: score a reader, or answers that any program has written."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mrc.config.command_line import parse_args
from mrc.config.evaluate import EvalConfig
from mrc.errors import InputError
from mrc.files import STDIN, write_json

if TYPE_CHECKING:
    from mrc.config.train import TrainConfig
    from mrc.data.examples import ExampleList
    from mrc.metrics.metrics import Metrics
    from mrc.runtime.processes import World

# Settings that default to those of the training run, with their names there.
FROM_RUN = {
    "max_length": "max_length",
    "stride": "stride",
    "max_question_length": "max_question_length",
    "precision": "precision",
    "scorer": "scorer",
    "batch_size": "eval_batch_size",
    "search": "search",
    "n_best": "n_best",
    "max_answer_length": "max_answer_length",
}


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    evaluate(parse_args(EvalConfig, argv, "evaluate"))


def evaluate(config: EvalConfig) -> dict[str, Any]:
    """Score what `config` names, write the results, print a table, and return the results.

    Args:
        config: with `checkpoint`, a reader answers the questions; with `predictions`, a file of
            answers is scored; with `compare`, two such files are compared.

    Returns:
        What metrics.json holds: the scores by name, their 95 % intervals, the scores of groups of
        questions and the settings; for `compare`, what comparison.json holds.

    Raises:
        InputError: something that `config` names cannot be used.
    """
    # Imported here, so that --help and a mistyped flag need not wait for torch.
    from mrc.commands.score_answers import compare_predictions, score_predictions
    from mrc.runtime.processes import processes

    if config.compare:
        return compare_predictions(config, *config.compare)
    if config.predictions:
        return score_predictions(config, config.predictions)
    with processes(config.device) as world:
        return score_checkpoint(config, config.checkpoint or "", world)


def score_checkpoint(config: EvalConfig, path: str, world: "World") -> dict[str, Any]:
    """Let a reader answer the questions, and score its answers; each process does its share."""
    from mrc.checkpoint.loading import as_trained, find_checkpoint, load_checkpoint
    from mrc.commands.results import results_folder, results_table
    from mrc.features.dataset import FeatureDataset, WindowSettings
    from mrc.metrics import evaluation
    from mrc.metrics.answers import strip_answer
    from mrc.metrics.metrics import Metrics
    from mrc.model.custom import class_name
    from mrc.model.loss import loss_of
    from mrc.runtime.device import choose_device, choose_precision
    from mrc.runtime.memory import peak_memory_mb
    from mrc.runtime.processes import local_device

    started = time.perf_counter()
    device = choose_device(local_device(config.device))

    # The reader, and the settings that it was trained with.
    checkpoint = find_checkpoint(path)
    model, tokenizer, settings = load_checkpoint(
        checkpoint,
        model_class=config.model_class,
        trust_remote_code=config.trust_remote_code,
        allow_pickle=config.allow_pickle,
    )
    trained = as_trained(settings, model, tokenizer)
    settled = _with_defaults(config, settings, trained)
    model.to(device).check_fits(tokenizer, settled.max_length)

    # The questions, and the windows on their contexts.
    examples, source = _load_examples(settled, settings, trained)
    windows = WindowSettings.from_config(settled, model)
    windows = replace(windows, mask_question=trained.mask_question)
    dataset = FeatureDataset(examples, tokenizer, windows)
    print(f"{len(examples)} questions, {len(dataset)} features; {checkpoint} on {device}")
    if dataset.report():
        print(dataset.report())

    # Logits, spans, answers, scores.
    answering: dict[str, Any] = {
        "scorer": settled.scorer,
        "n_best": settled.n_best,
        "max_answer_length": settled.max_answer_length,
        # A reader that has learned to give no answer may do so; else the scorer decides.
        "allows_no_answer": settings.get("allows_no_answer") or None,
        "null_threshold": settled.null_threshold,
        "clean": strip_answer if config.strip_answer else None,
    }
    metrics = Metrics(dataset, search=settled.search, **answering)
    # What the pruned search says as well tells what the exact one changes.
    pruned = Metrics(dataset, **answering) if settled.search == "exact" else None
    scores = evaluation.evaluate(
        model,
        metrics,
        batch_size=settled.batch_size,
        precision=choose_precision(settled.precision, device),
        world=world,
        loss=loss_of(model),
        also=[pruned] if pruned else [],
    )
    if not world.is_main:
        return world.broadcast(None)

    # The main process has all the answers, and writes them.
    trusted_class = config.model_class and class_name(config.model_class)
    names, results = _results(config, metrics, scores or {}, pruned)
    results["seconds"] = time.perf_counter() - started
    results["peak_memory_mb"] = peak_memory_mb(device)
    results["config"] = {**settled.to_dict(), "data": source, "model_class": trusted_class}
    folder = results_folder(config.output_dir, checkpoint, source)
    _write(folder, metrics, results)
    print(results_table(results, names, predictions=folder / "predictions.json"))
    return world.broadcast(results)


def _with_defaults(config: EvalConfig, settings: dict[str, Any], trained: "TrainConfig") -> Any:
    """The config, with settings that were not given filled in from the training run."""
    defaults = {
        name: getattr(trained, name_there)
        for name, name_there in FROM_RUN.items()
        if getattr(config, name) is None
    }
    if config.null_threshold is None:
        defaults["null_threshold"] = settings.get("null_threshold", 0.0)
    if config.data is None and config.max_eval_examples is None:
        # The questions are the run's own, and so is their number.
        defaults["max_eval_examples"] = trained.max_eval_examples
    return config.changed(**defaults)


def _load_examples(
    config: EvalConfig, settings: dict[str, Any], trained: "TrainConfig"
) -> tuple["ExampleList", str]:
    """The questions of --data, or those that the run was validated on, and the name of the data."""
    from mrc.data.loading import describe_source, load_questions, load_validation_data

    if config.data is not None:
        examples = load_questions(config.data, config.split, config.max_eval_examples)
        return examples, describe_source(config.data) or ""
    source = _validation_source(config, settings, trained)
    validation = load_validation_data(trained)
    if not validation:
        raise InputError(f"{source}: holds no question.")
    return validation.head(config.max_eval_examples), source


def _validation_source(config: EvalConfig, settings: dict[str, Any], trained: "TrainConfig") -> str:
    """Where the validation data of a run came from. Raises InputError if it is not there now."""
    from mrc.data.loading import IN_MEMORY

    source = trained.validation_file
    if source is None and trained.validation_fraction:
        source = trained.train_file
    if source is None and trained.train_file is None:
        source = trained.data

    run = f"the run of {config.checkpoint}"
    saved = settings.get("config") or {}
    if not saved.get("data") and saved.get("train_file") is None:
        problem = f"{config.checkpoint} does not say what it was validated on"
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
    from mrc.commands.results import score_names
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
        results.update(details(metrics.gold, metrics.predictions, examples, windows))
    return score_names(scores), {**scores, **results}


def _write(folder: Path, metrics: "Metrics", results: dict[str, Any]) -> None:
    """Write the answers and the results."""
    write_json(folder / "predictions.json", metrics.predictions, indent=2)
    write_json(folder / "nbest_predictions.json", metrics.n_best, indent=2)
    if metrics.allows_no_answer:
        write_json(folder / "null_odds.json", metrics.null_odds, indent=2)
    write_json(folder / "metrics.json", results, indent=2)
