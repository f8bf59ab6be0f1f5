"""Train an extractive reader. `python train.py --help` lists the settings; mrc/config.py declares them."""

from mrc.config import InputError, TrainConfig, command_line, parse_args


def main(argv=None):
    config = parse_args(TrainConfig, argv)
    # Imported once the flags are known to be right: torch and transformers take seconds to load.
    import torch

    from mrc.checkpoint import data_name, new_run_folder
    from mrc.data import bad_answer_records, leak_warning, load_training_data
    from mrc.device import choose_device
    from mrc.features import FeatureDataset
    from mrc.files import write_json
    from mrc.hub import prepare_repo, push
    from mrc.model import BaselineModel
    from mrc.tokenization import load_tokenizer, train_tokenizer
    from mrc.trainer import Trainer

    device = choose_device(config.device)
    torch.manual_seed(config.seed)

    # Questions on contexts, to train on and to be scored on.
    train, validation = load_training_data(config.to_dict())
    labelled = train.trainable()
    without_label, train = len(train) - len(labelled), labelled.head(config.max_train_examples)
    if not train:
        raise InputError(f"{train.source}: holds no question that can be trained on.")
    if validation is not None:
        validation = validation.head(config.max_eval_examples)
        if not validation:
            raise InputError(f"{validation.source}: holds no question to score.")

    # An encoder and its tokenizer, a span head on top.
    if config.model == "tiny":
        tokenizer = train_tokenizer(text for example in train for text in (example.question, example.context))
        model = BaselineModel.tiny(len(tokenizer), config.dropout, config.attention_dropout)
    else:
        tokenizer = load_tokenizer(config.model)
        model = BaselineModel.from_pretrained(config.model, config.dropout, config.attention_dropout)
    model.check_fits(tokenizer, config.max_length)

    # Windows on the contexts, as views on texts tokenised once.
    window = (config.max_length, config.stride, config.max_question_length, model.marks_exact_match)
    train_set = FeatureDataset(train, tokenizer, *window, cache=config.feature_cache)
    eval_set = FeatureDataset(validation, tokenizer, *window, cache=config.feature_cache) if validation else None

    if config.push_to_hub:
        prepare_repo(config.push_to_hub)  # so that a missing token or permission does not come out after a week
    name = f"{data_name(config.model)}-{data_name(config.train_file or config.data)}"
    folder = new_run_folder(config.output_dir, name)
    write_json(folder / "config.json", config.to_dict(), indent=2)
    print(f"{len(train)} questions, {len(train_set)} windows; {sum(p.numel() for p in model.parameters()) / 1e6:.1f}M parameters, "
          f"{'new' if model.head_is_new else 'pretrained'} head; {device}; run in {folder}")
    left_out = f"{without_label} questions have no answer to train on and are left out." if without_label else ""
    reports = [train.report(), left_out, train_set.report()]
    if validation:
        reports += [validation.report(), eval_set.report(), leak_warning(train, validation)]
    for report in filter(None, dict.fromkeys(reports)):  # the same only once, where one file is both
        print(report)
    if bad_answers := bad_answer_records(train, validation):
        write_json(folder / "bad_answers.json", bad_answers, indent=2)
        print(f"The answers not at their answer_start are listed in {folder / 'bad_answers.json'}.")

    results = Trainer(model, tokenizer, train_set, eval_set, config, folder, device).fit()
    print(summary(results, folder))
    if config.push_to_hub:
        print(f"pushed to {push(folder / 'best', config.push_to_hub)}", flush=True)


def summary(results, folder):
    """The end of a run as a small table, and the command to go on with."""
    from mrc.scoring import SHORT_NAMES

    scores = [(short, f"{results[name]:.2f}") for name, short in SHORT_NAMES.items() if name in results]
    rows = [*scores, *([("questions", results["total"]), ("scorer", results["scorer"])] if scores else []),
            ("best epoch", f"{results['epoch']} of {results['epochs']}" if scores else "the last: nothing was scored"),
            ("seconds", f"{results['seconds']:.0f}"), ("features/s", f"{results['features_per_second']:.1f}"),
            *([("peak memory", f"{results['peak_memory_mb']:.0f} MB")] if results["peak_memory_mb"] else []),
            ("checkpoint", folder / "best")]
    table = "\n".join(f"{name:<12} {value}" for name, value in rows)
    return f"\n{table}\n\nNext: python evaluate.py --checkpoint {folder}"


if __name__ == "__main__":
    with command_line("train.py"):
        main()
