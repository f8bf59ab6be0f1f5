"""A training run, from its settings to its last line."""

from mrc.data.loading import load_run_data, report_data_problems
from mrc.errors import InputError
from mrc.training.runs import run_folder


def run(config, world):
    """One run, from its settings to its last line, in each of the processes that share it."""
    import torch

    from mrc.checkpoint.hub import prepare_repo, push
    from mrc.features.dataset import FeatureDataset, WindowSettings
    from mrc.files import data_name
    from mrc.model.loading import make_model
    from mrc.model.tokenizer import load_tokenizer, train_tokenizer
    from mrc.runtime.device import choose_device, configure_backends
    from mrc.runtime.processes import local_device
    from mrc.training.resume import resumed, same_data
    from mrc.training.runs import check_not_a_run, latest_run_folder, remove_unstarted_run
    from mrc.training.trainer import Trainer

    if config.fsdp and world.size == 1:
        raise InputError(
            "--fsdp shares the model out among processes: start several, with torchrun --nproc_per_node=N train.py ..."
        )

    # A new run, or one to go on with, whose settings then hold.
    name, checkpoint = (
        f"{data_name(config.model)}-{data_name(config.train_file or config.data)}",
        None,
    )
    if config.resume:
        checkpoint, config = resumed(config, latest_run_folder(name), world.size)
        same_data(config, checkpoint)
    device = choose_device(local_device(config.device))
    configure_backends(device, config.deterministic, config.tf32)
    torch.manual_seed(config.seed)

    # Questions on contexts, to train on and to be scored on.
    train, validation, without_label = load_run_data(config)

    # A tokenizer, an encoder, a head on top.
    check_not_a_run(config.model)
    if config.model == "tiny" and not checkpoint:
        tokenizer = train_tokenizer(
            text for example in train for text in (example.question, example.context)
        )
    else:
        tokenizer = load_tokenizer(checkpoint or config.model, config.trust_remote_code)
    model = make_model(config, tokenizer, checkpoint)
    model.check_fits(tokenizer, config.max_length)

    # Windows on the contexts, as views on texts tokenised once.
    windows = WindowSettings.from_config(config, model)
    train_set = FeatureDataset(train, tokenizer, windows)
    eval_set = FeatureDataset(validation, tokenizer, windows) if validation else None

    # The run's folder, which one process makes.
    if config.push_to_hub and world.is_main:
        prepare_repo(
            config.push_to_hub
        )  # so that a missing token or permission does not come out after a week
    folder = world.broadcast(run_folder(config, name, checkpoint) if world.is_main else None)
    head = "" if checkpoint else ", new head" if model.head_is_new else ", pretrained head"
    print(
        f"{len(train)} questions, {len(train_set)} windows; {sum(p.numel() for p in model.parameters()) / 1e6:.1f}M parameters{head}; "
        f"{device}; run in {folder}"
    )
    if world.is_main:
        report_data_problems(train_set, eval_set, without_label, folder)

    # The loop.
    try:
        if config.gradient_checkpointing:
            model.recompute_activations()
        trainer = Trainer(model, tokenizer, train_set, eval_set, config, folder, device, world)
    except InputError:  # a setting that does not suit the model or the data
        if world.is_main and not checkpoint:
            remove_unstarted_run(folder)
        raise
    print(trainer.plan())
    if world.rank:
        torch.manual_seed(
            config.seed + world.rank
        )  # the processes have made the same model; now each draws dropout of its own
    if checkpoint:
        trainer.resume(checkpoint)
        place, is_complete = (
            f"step {trainer.progress.step} of {trainer.total_steps}",
            trainer.is_over() and not trainer.is_due_to_score(),
        )
        print(
            f"{folder} is complete, at {place}; to train its reader further, begin a run with --model {folder / 'best'}"
            if is_complete
            else f"going on from {checkpoint}, {place}"
        )
    print(summary(trainer.fit(), folder, config))
    if config.push_to_hub and world.is_main:
        print(f"pushed to {push(folder / 'best', config.push_to_hub)}", flush=True)


def summary(results, folder, config):
    """The end of a run as a small table, and the command to go on with."""
    from mrc.metrics.scoring import SHORT_NAMES

    scores = [
        (short, f"{results[name]:.2f}") for name, short in SHORT_NAMES.items() if name in results
    ]
    rows = [
        *scores,
        *([("questions", results["total"]), ("scorer", results["scorer"])] if scores else []),
        ("best", "the last: nothing was scored")
        if not scores
        else ("best epoch", f"{results['epoch']} of {results['epochs']}")
        if config.eval_every is None
        else ("best step", f"{results['step']} of {results['steps']}"),
        ("seconds", f"{results['seconds']:.0f}"),
        ("features/s", f"{results['features_per_second']:.1f}"),
        *(
            [("peak memory", f"{results['peak_memory_mb']:.0f} MB")]
            if results["peak_memory_mb"]
            else []
        ),
        ("checkpoint", folder / "best"),
    ]
    table = "\n".join(f"{name:<12} {value}" for name, value in rows)
    return f"\n{table}\n\nNext: python evaluate.py --checkpoint {folder}{config.trust_flags()}"
