"""`mrc evaluate`: score a reader, or answers that any program has written."""

import time
from pathlib import Path

from mrc.checkpoint.loading import fill_in
from mrc.config.evaluate import EvalConfig
from mrc.config.flags import parse_args
from mrc.errors import InputError
from mrc.files import data_name, make_folder, make_numbered_folder
from mrc.metrics.analysis import details
from mrc.metrics.answers import count_missing, read_answers
from mrc.model.pretrained import WEIGHTS


def main(argv=None):
    config = parse_args(EvalConfig, argv, "evaluate")
    if config.compare:
        compare_predictions(config)
    elif config.predictions:
        score_predictions(config)
    else:
        score_checkpoint(config)


def score_checkpoint(config):
    """Let a reader answer the questions, write its answers, and score them where the right ones are known."""
    # Imported once the flags are known to be right: torch and transformers take seconds to load.
    from mrc.runtime.processes import processes

    with processes(config.device) as world:
        answer_and_score(config, world)


def answer_and_score(config, world):
    """The same, in each of the processes that share the work."""
    from mrc.checkpoint.loading import find_checkpoint, load_checkpoint
    from mrc.commands.evaluate import results_folder
    from mrc.features.dataset import FeatureDataset, WindowSettings
    from mrc.files import write_json
    from mrc.metrics.answers import strip_answer, strip_particle
    from mrc.metrics.evaluation import evaluate
    from mrc.metrics.metrics import Metrics
    from mrc.runtime.device import choose_device, choose_precision
    from mrc.runtime.memory import peak_memory_mb
    from mrc.runtime.processes import local_device

    started = time.perf_counter()
    device = choose_device(local_device(config.device))

    # The reader, and the settings that it was trained with.
    checkpoint = find_checkpoint(config.checkpoint)
    model, tokenizer, settings = load_checkpoint(
        checkpoint,
        model_class=config.model_class,
        trust_remote_code=config.trust_remote_code,
        allow_pickle=config.allow_pickle,
    )
    trained = fill_in(config, settings, model, tokenizer)
    model.to(device).check_fits(tokenizer, config.max_length)

    # The questions, and the windows on their contexts.
    examples = load_questions(config, trained)
    dataset = FeatureDataset(
        examples,
        tokenizer,
        WindowSettings(
            max_length=config.max_length,
            stride=config.stride,
            max_question_length=config.max_question_length,
            mark_exact_match=model.marks_exact_match,
            cache=config.feature_cache,
            mask_question=trained.mask_question,
        ),
    )
    print(f"{len(examples)} questions, {len(dataset)} windows; {checkpoint} on {device}")
    if dataset.report():
        print(dataset.report())

    # Logits, spans, answers, scores.
    allows_no_answer = (
        settings.get("allows_no_answer") or None
    )  # what has learned to give no answer may do so; else the scorer decides
    metrics = Metrics(
        dataset,
        scorer=config.scorer,
        n_best=config.n_best,
        max_answer_length=config.max_answer_length,
        search=config.search,
        allows_no_answer=allows_no_answer,
        null_threshold=config.null_threshold,
        clean=strip_answer if config.strip_answer else None,
    )
    scores = evaluate(
        model,
        metrics,
        batch_size=config.batch_size,
        precision=choose_precision(config.precision, device),
        world=world,
    )
    # A loss is no score, and stands beside them.
    loss = scores.pop("eval_loss", None)
    if not world.is_main:  # which has it all
        return
    results = {
        "scorer": metrics.scorer,
        "questions": len(examples),
        "windows": len(dataset),
        "without_span": metrics.without_span,
    }
    if loss is not None:
        results["eval_loss"] = loss
    if metrics.search == "exact":
        results["answers_changed_by_exact_search"] = metrics.answers_changed
    if config.strip_particles:
        metrics.predictions = {i: strip_particle(text) for i, text in metrics.predictions.items()}
        results["with_particles"], scores = scores, metrics.gold.score(metrics.predictions)
    if scores:
        results.update(details(metrics.gold, metrics.predictions, examples, dataset.windows))

    folder = results_folder(config.output_dir, checkpoint, config.data)
    write_json(folder / "predictions.json", metrics.predictions, indent=2)
    write_json(folder / "nbest_predictions.json", metrics.n_best, indent=2)
    if metrics.allows_no_answer:
        write_json(folder / "null_odds.json", metrics.null_odds, indent=2)
    results = {
        **scores,
        **results,
        "seconds": time.perf_counter() - started,
        "peak_memory_mb": peak_memory_mb(device),
        "config": config.to_dict(),
    }
    write_json(folder / "metrics.json", results, indent=2)
    print(summary(scores, results, predictions=folder / "predictions.json"))


def score_predictions(config):
    """Score a file of answers, without any model."""
    from mrc.files import write_json
    from mrc.metrics.answers import strip_answer, strip_particle
    from mrc.metrics.scoring import Gold

    examples, predictions = load_questions(config), read_answers(config.predictions, str)
    null_odds = read_answers(config.na_probs, (int, float)) if config.na_probs else None
    gold = Gold(examples, config.scorer or "auto")
    missing = count_missing(config.predictions, predictions, examples)
    if null_odds is not None and (
        lacking := [i for i in predictions if i in gold.answers and i not in null_odds]
    ):
        raise InputError(
            f"{config.na_probs}: has no probability for question '{lacking[0]}', which {config.predictions} answers."
        )
    if config.strip_answer:
        predictions = {i: strip_answer(text) for i, text in predictions.items()}
    # As in evaluate-v2.0.py: where the odds are probabilities, nothing exceeds the default threshold of 1.
    threshold = 1.0 if config.null_threshold is None else config.null_threshold
    scores, results = (
        gold.score(predictions, null_odds, threshold),
        {"scorer": gold.name, "questions": len(examples)},
    )
    if config.strip_particles:
        predictions = {i: strip_particle(text) for i, text in predictions.items()}
        results["with_particles"], scores = scores, gold.score(predictions, null_odds, threshold)
    known = {example.id for example in examples}
    foreign = sum(i not in known for i in predictions)
    if null_odds:  # what is said of the scores is said of the answers that were scored
        predictions = {
            i: "" if null_odds.get(i, 0.0) > threshold else text for i, text in predictions.items()
        }
    results = {
        **scores,
        **results,
        "missing": missing,
        "foreign": foreign,
        **details(gold, predictions, examples),
    }
    if config.output_dir:
        from mrc.commands.evaluate import results_folder

        write_json(
            results_folder(config.output_dir, None, config.data) / "metrics.json", results, indent=2
        )
    notes = {"missing": f"questions without a prediction: {missing}"} if missing else {}
    notes.update(
        {"foreign": f"predictions for ids that the data does not have: {foreign}"}
        if foreign
        else {}
    )
    print(summary(scores, results, **notes))


def compare_predictions(config):
    """Test whether the second of two files of answers is better than the first."""
    from mrc.metrics.analysis import compare

    examples = load_questions(config)
    files = [read_answers(path, str) for path in config.compare]
    for path, answers in zip(config.compare, files):
        if missing := count_missing(path, answers, examples):
            print(f"{path}: questions without a prediction: {missing}")
    result = compare(*files, examples, config.scorer or "auto")
    print(
        f"A {config.compare[0]}\nB {config.compare[1]}\n{result['total']} questions, scorer {result['scorer']}\n"
    )
    print(f"{'':12} {'A':>7} {'B':>7} {'B - A':>7}   95 % interval        p")
    for score, row in result.items():
        if isinstance(row, dict):
            low, high = row["interval"]
            print(
                f"{score:12} {row['a']:7.2f} {row['b']:7.2f} {row['difference']:+7.2f}   {low:+7.2f} to {high:+6.2f}  {row['p']:7.4f}"
            )
    print(f"\nexact by A alone {result['only_a_exact']}, by B alone {result['only_b_exact']}")
    if config.output_dir:
        from mrc.commands.evaluate import results_folder
        from mrc.files import write_json

        write_json(
            results_folder(config.output_dir, None, config.data) / "comparison.json",
            result,
            indent=2,
        )


def load_questions(config, trained=None):
    """The questions that --data names, or those that the run of the settings `trained` was validated on."""
    from mrc.data.loading import load_data, load_validation_data

    # Scores compare texts, so it does not matter here where an answer stands.
    if not config.data and "-" in (trained.train_file, trained.validation_file):
        raise InputError(
            f"--data is needed: the run of {config.checkpoint} was validated on what it read from standard input."
        )
    examples = (
        load_data(config.data, config.split, on_bad_answer="skip")
        if config.data
        else load_validation_data(trained.to_dict())
    )
    if examples is None:
        raise InputError(
            f"--data is needed: the run of {config.checkpoint} had no validation data."
        )
    config.data = (
        config.data or trained.validation_file or trained.train_file or trained.data
    )  # its name in the results
    if not examples:
        raise InputError(f"{examples.source}: holds no question.")
    return examples.head(config.max_eval_examples)


def summary(scores, results, **more):
    """The end of an evaluation as a small table."""
    from mrc.metrics.scoring import SHORT_NAMES

    rows = []
    for name, value in scores.items():
        if name.endswith("total"):
            continue
        interval = results.get(f"{name}_interval")
        beside = f"  (95 % interval {interval[0]:.2f} to {interval[1]:.2f})" if interval else ""
        if name in results.get("with_particles", {}):
            beside += f"  (with particles {results['with_particles'][name]:.2f})"
        rows.append((SHORT_NAMES.get(name, name), f"{value:.2f}{beside}"))
    rows += (
        [("scorer", results["scorer"])] if scores else [("scores", "none: the data has no answers")]
    )
    if "eval_loss" in results:
        rows.append(("loss", f"{results['eval_loss']:.4f}"))
    rows.append(("questions", results["questions"]))
    if "answers_changed_by_exact_search" in results:
        rows.append(
            ("exact search", f"changed {results['answers_changed_by_exact_search']} answers")
        )
    rows += [("seconds", f"{results['seconds']:.0f}")] if "seconds" in results else []
    width = max(12, *(len(name) for name, _ in rows))
    return "\n" + "\n".join(f"{name:<{width}} {value}" for name, value in [*rows, *more.items()])


def results_folder(output_dir, checkpoint, data):
    """Make the folder of an evaluation: `output_dir`, or a new one beside the checkpoint, named after it and the data."""
    if output_dir is None:
        checkpoint = Path(checkpoint)
        beside = (
            checkpoint.parent if checkpoint.is_dir() else Path("checkpoints")
        )  # nothing local lies beside a hub id
        return make_numbered_folder(beside / f"{checkpoint.name}-on-{data_name(data)}")
    if (Path(output_dir) / WEIGHTS).exists():
        raise InputError(f"--output-dir {output_dir}: is a checkpoint; choose another folder.")
    return make_folder(Path(output_dir))
