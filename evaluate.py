"""Score a trained reader. `python evaluate.py --help` lists the settings; mrc/config.py declares them."""

import time

from mrc.config import EvalConfig, InputError, TrainConfig, command_line, parse_args

AS_TRAINED = {  # settings that default to the training run's: name here -> name there
    "max_length": "max_length", "stride": "stride", "max_question_length": "max_question_length", "precision": "precision",
    "scorer": "scorer", "batch_size": "eval_batch_size", "n_best": "n_best", "max_answer_length": "max_answer_length",
}


def main(argv=None):
    config = parse_args(EvalConfig, argv)
    # Imported once the flags are known to be right: torch and transformers take seconds to load.
    from mrc.checkpoint import find_checkpoint, load_checkpoint, results_folder
    from mrc.device import choose_device, choose_precision, peak_memory_mb
    from mrc.examples import load_examples, write_json
    from mrc.features import FeatureDataset
    from mrc.metrics import Metrics, evaluate
    from mrc.sample import is_sample, load_sample

    started = time.perf_counter()
    device = choose_device(config.device)

    # The reader, and the settings that it was trained with.
    checkpoint = find_checkpoint(config.checkpoint)
    model, tokenizer, settings = load_checkpoint(checkpoint)
    fill_in(config, settings.get("config"), model)
    model.to(device).check_fits(tokenizer, config.max_length)

    # The questions. Scores compare texts, so it does not matter here where in the context an answer stands.
    examples = load_sample(config.data, "validation") if is_sample(config.data) else load_examples(config.data, "skip")
    examples = examples.head(config.max_eval_examples)
    if not examples:
        raise InputError(f"{examples.source}: holds no question.")
    dataset = FeatureDataset(examples, tokenizer, config.max_length, config.stride, config.max_question_length,
                             mark_exact_match=model.token_types > 2)
    print(f"{len(examples)} questions, {len(dataset)} windows; {checkpoint} on {device}")
    if dataset.report():
        print(dataset.report())

    # Logits, spans, answers, scores.
    metrics = Metrics(dataset, config.scorer, config.n_best, config.max_answer_length)
    scores = evaluate(model, metrics, config.batch_size, choose_precision(config.precision, device))

    folder = results_folder(config.output_dir, checkpoint, config.data)
    write_json(folder / "predictions.json", metrics.predictions, indent=2)
    write_json(folder / "nbest_predictions.json", metrics.n_best, indent=2)
    results = {**scores, "scorer": metrics.scorer if scores else None, "questions": len(examples), "windows": len(dataset),
               "without_span": metrics.without_span, "seconds": time.perf_counter() - started,
               "peak_memory_mb": peak_memory_mb(device), "config": config.to_dict()}
    write_json(folder / "metrics.json", results, indent=2)
    print(summary(results, scores, folder))


def fill_in(config, trained, model):
    """Set what the command line left open to what the run was trained with, or to the defaults for any model."""
    if config.data is None:
        if trained is None:
            raise InputError(f"--data is needed: {config.checkpoint} does not say what it was validated on.")
        if trained["train_file"] and not trained["validation_file"]:
            raise InputError(f"--data is needed: the run of {config.checkpoint} had no validation file.")
        config.data = trained["validation_file"] or trained["data"]
        config.max_eval_examples = config.max_eval_examples or trained["max_eval_examples"]
    if trained is None:
        trained = TrainConfig(model=config.checkpoint).to_dict()
        trained["max_length"] = min(trained["max_length"], model.max_length or trained["max_length"])
    for name, name_there in AS_TRAINED.items():
        if getattr(config, name) is None:
            setattr(config, name, trained[name_there])


def summary(results, scores, folder):
    """The end of an evaluation as a small table."""
    shown = {"exact_match": "EM", "exact": "EM", "f1": "F1"}
    rows = [(shown.get(name, name), f"{value:.2f}") for name, value in scores.items() if not name.endswith("total")]
    rows = rows + [("scorer", results["scorer"])] if rows else [("scores", "none: the data has no answers")]
    rows += [("questions", results["questions"]), ("seconds", f"{results['seconds']:.0f}"), ("predictions", folder / "predictions.json")]
    return "\n" + "\n".join(f"{name:<12} {value}" for name, value in rows)


if __name__ == "__main__":
    with command_line("evaluate.py"):
        main()
