"""Train an extractive reader. `python train.py --help` lists the settings; mrc/config.py declares them."""

import sys

from mrc.config import InputError, TrainConfig, command_line, parse_args


def main(argv=None):
    config = parse_args(TrainConfig, argv)
    # Imported once the flags are known to be right: torch and transformers take seconds to load.
    from mrc.distributed import processes

    with processes(config.device) as world:
        run(config, world)


def run(config, world):
    """One run, from its settings to its last line, in each of the processes that share it."""
    import torch

    from mrc.checkpoint import data_name, discard_unborn, latest_run_folder, refuse_run
    from mrc.device import choose_device, set_up
    from mrc.distributed import own_device
    from mrc.features import FeatureDataset
    from mrc.guests import make_model
    from mrc.hub import prepare_repo, push
    from mrc.resume import resumed, same_data
    from mrc.tokenization import load_tokenizer, train_tokenizer
    from mrc.trainer import Trainer

    if config.fsdp and world.size == 1:
        raise InputError("--fsdp shares the model out among processes: start several, with torchrun --nproc_per_node=N train.py ...")

    # A new run, or one to go on with, whose settings then hold.
    name, checkpoint = f"{data_name(config.model)}-{data_name(config.train_file or config.data)}", None
    if config.resume:
        checkpoint, config = resumed(config, latest_run_folder(name), world.size)
        same_data(config, checkpoint)
    device = choose_device(own_device(config.device))
    set_up(device, config.deterministic, config.tf32)
    torch.manual_seed(config.seed)

    # Questions on contexts, to train on and to be scored on.
    train, validation, without_label = questions(config)

    # A tokenizer, an encoder, a head on top.
    refuse_run(config.model)
    if config.model == "tiny" and not checkpoint:
        tokenizer = train_tokenizer(text for example in train for text in (example.question, example.context))
    else:
        tokenizer = load_tokenizer(checkpoint or config.model, config.trust_remote_code)
    model = make_model(config, tokenizer, checkpoint)
    model.check_fits(tokenizer, config.max_length)

    # Windows on the contexts, as views on texts tokenised once.
    window = (config.max_length, config.stride, config.max_question_length, model.marks_exact_match)
    window += (config.feature_cache, config.mask_question)
    train_set = FeatureDataset(train, tokenizer, *window)
    eval_set = FeatureDataset(validation, tokenizer, *window) if validation else None

    # The run's folder, which one process makes.
    if config.push_to_hub and world.is_main:
        prepare_repo(config.push_to_hub)  # so that a missing token or permission does not come out after a week
    folder = world.broadcast(run_folder(config, name, checkpoint) if world.is_main else None)
    head = "" if checkpoint else ", new head" if model.head_is_new else ", pretrained head"
    print(f"{len(train)} questions, {len(train_set)} windows; {sum(p.numel() for p in model.parameters()) / 1e6:.1f}M parameters{head}; "
          f"{device}; run in {folder}")
    if world.is_main:
        tell_of_oddities(train_set, eval_set, without_label, folder)

    # The loop.
    try:
        if config.gradient_checkpointing:
            model.recompute_activations()
        trainer = Trainer(model, tokenizer, train_set, eval_set, config, folder, device, world)
    except InputError:  # a setting that does not suit the model or the data
        if world.is_main and not checkpoint:
            discard_unborn(folder)
        raise
    print(trainer.plan())
    if world.rank:
        torch.manual_seed(config.seed + world.rank)  # the processes have made the same model; now each draws dropout of its own
    if checkpoint:
        trainer.resume(checkpoint)
        place, is_complete = f"step {trainer.progress.step} of {trainer.total_steps}", trainer.is_over() and not trainer.is_due_to_score()
        print(f"{folder} is complete, at {place}; to train its reader further, begin a run with --model {folder / 'best'}" if is_complete
              else f"going on from {checkpoint}, {place}")
    print(summary(trainer.fit(), folder, config))
    if config.push_to_hub and world.is_main:
        print(f"pushed to {push(folder / 'best', config.push_to_hub)}", flush=True)


def questions(config):
    """-> the questions to train on; those to be scored on, or None; how many were left out, having no answer to train on."""
    from mrc.data import load_training_data

    train, validation = load_training_data(config.to_dict())
    labelled = train.trainable()
    without_label, train = len(train) - len(labelled), labelled.head(config.max_train_examples)
    if not train:
        raise InputError(f"{train.source}: holds no question that can be trained on.")
    if validation is not None:
        validation = validation.head(config.max_eval_examples)
        if not validation:
            raise InputError(f"{validation.source}: holds no question to score.")
    return train, validation, without_label


def run_folder(config, name, checkpoint):
    """The folder of the run that a checkpoint is of, or a new one, with the record of what the run is made of."""
    from mrc.checkpoint import new_run_folder
    from mrc.files import read_json, write_json
    from mrc.records import provenance

    if checkpoint:
        path = checkpoint.parent / "config.json"
        if path.is_file():  # a run can go on without its record
            record = read_json(path)
            changed = {setting: value for setting, value in config.to_dict().items() if record.get(setting) != value}
            record["resumed"] = [*record.get("resumed", []), {"command": sys.argv, "changed": changed}]
            write_json(path, record, indent=2)
        return checkpoint.parent
    folder = new_run_folder(config.output_dir, name, take_over=config.resume == "auto")
    write_json(folder / "config.json", {**config.to_dict(), **provenance(config)}, indent=2)
    return folder


def tell_of_oddities(train_set, eval_set, without_label, folder):
    """Say what in the data was left out, cut or mended, each thing once; list the answers that are not where they should be."""
    from mrc.data import bad_answer_records, leak_warning
    from mrc.files import write_json

    train, validation = train_set.examples, eval_set and eval_set.examples
    left_out = f"{without_label} questions have no answer to train on and are left out." if without_label else ""
    reports = [train.report(), left_out, train_set.report()]
    if validation:
        reports += [validation.report(), eval_set.report(), leak_warning(train, validation)]
    for report in filter(None, dict.fromkeys(reports)):  # the same only once, where one file is both
        print(report)
    if bad_answers := bad_answer_records(train, validation):
        write_json(folder / "bad_answers.json", bad_answers, indent=2)
        print(f"The answers not at their answer_start are listed in {folder / 'bad_answers.json'}.")


def summary(results, folder, config):
    """The end of a run as a small table, and the command to go on with."""
    from mrc.scoring import SHORT_NAMES

    scores = [(short, f"{results[name]:.2f}") for name, short in SHORT_NAMES.items() if name in results]
    rows = [*scores, *([("questions", results["total"]), ("scorer", results["scorer"])] if scores else []),
            ("best", "the last: nothing was scored") if not scores else ("best epoch", f"{results['epoch']} of {results['epochs']}")
            if config.eval_every is None else ("best step", f"{results['step']} of {results['steps']}"),
            ("seconds", f"{results['seconds']:.0f}"), ("features/s", f"{results['features_per_second']:.1f}"),
            *([("peak memory", f"{results['peak_memory_mb']:.0f} MB")] if results["peak_memory_mb"] else []),
            ("checkpoint", folder / "best")]
    table = "\n".join(f"{name:<12} {value}" for name, value in rows)
    return f"\n{table}\n\nNext: python evaluate.py --checkpoint {folder}{config.flags_of_trust()}"


if __name__ == "__main__":
    with command_line("train.py"):
        main()
