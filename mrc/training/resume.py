"""Resuming a run: from which checkpoint, and with which settings."""

from pathlib import Path
from typing import Any

from mrc.checkpoint.store import (
    RUN_FILE,
    SETTINGS,
    find_resumable,
    load_settings,
    resumable,
)
from mrc.config.command_line import program
from mrc.config.config_file import TRUST
from mrc.config.setting import option
from mrc.config.train import TrainConfig
from mrc.data.loading import DATA_SETTINGS, IN_MEMORY, data_hashes, describe_source
from mrc.errors import InputError
from mrc.files import read_json_object
from mrc.model.custom import class_name
from mrc.training.run_folder import RECORD

# What may change when a run is resumed. All other settings are fixed.
MAY_CHANGE = (
    "resume",
    "resume_unverified",
    "output_dir",
    "device",
    "batch_size",
    "gradient_accumulation_steps",
    "max_bad_steps",
    "eval_batch_size",
    "patience",
    "save_every",
    "save_every_minutes",
    "keep",
    "compile",
    "fsdp",
    "gradient_checkpointing",
    "attn_implementation",
    "tf32",
    "log_every",
    "tensorboard",
    "plot",
    "push_to_hub",
    "feature_cache",
)


def run_to_resume(config: TrainConfig, latest: Path | None) -> Path | None:
    """Return the folder of the run that --resume means; None if there is none.

    latest: the run's folder that "auto" means without an --output-dir.
    """
    if config.resume == "auto":
        folder = Path(config.output_dir) if config.output_dir else latest
    elif config.resume:
        given = Path(config.resume)
        is_checkpoint = (given / SETTINGS).is_file()
        folder = given.parent if is_checkpoint else given
    else:
        return None
    is_run = folder is not None and ((folder / RUN_FILE).is_file() or resumable(folder))
    return folder if is_run else None


def find_run(
    config: TrainConfig, latest: Path | None, world_size: int = 1
) -> tuple[Path | None, TrainConfig]:
    """Return the checkpoint that --resume means, and the config to go on with.

    That is the run's own, but for the settings in MAY_CHANGE that were given. None and `config`
    where "auto" finds no run to resume.

    Args:
        config: of the caller, with `resume`.
        latest: the run's folder that "auto" means without an --output-dir.
        world_size: number of processes.

    Raises:
        InputError: there is nothing to resume, or what was given does not fit it.
    """
    is_automatic = config.resume == "auto"
    folder: str | Path | None = config.resume
    if is_automatic:
        folder = config.output_dir or latest
        if folder is None or not resumable(folder):
            return None, config
    checkpoint = find_resumable(
        folder or "", fall_back=is_automatic, unverified=config.resume_unverified
    )
    run = checkpoint.parent
    if config.output_dir and Path(config.output_dir).resolve() != run.resolve():
        raise InputError(
            f"--output-dir {config.output_dir}: a resumed run stays in its own folder, {run}; "
            "remove the flag."
        )
    settings = run_settings(checkpoint)
    saved = TrainConfig.from_dict(settings["config"])
    check_given(config, saved, run)
    check_trust(config, saved, checkpoint)
    resumed = merge(config, saved, run)
    share_step(config, saved, resumed, settings["processes"], world_size)
    return checkpoint, resumed


def run_settings(checkpoint: Path) -> dict[str, Any]:
    """Return what a checkpoint's mrc.json says of its run.

    Raises InputError if it does not have what a resumed run needs.
    """
    settings = load_settings(checkpoint)
    has_config = isinstance(settings.get("config"), dict)
    if not has_config or not isinstance(settings.get("processes"), int):
        raise InputError(
            f"{checkpoint / SETTINGS}: does not say with which settings the run was started, "
            "so the run cannot be resumed from this checkpoint."
        )
    return settings


def check_given(config: TrainConfig, saved: TrainConfig, run: Path) -> None:
    """Raise InputError if a setting was given that a resumed run cannot change."""
    for name, value in config.given.items():
        if name in MAY_CHANGE or as_text(name, value) == getattr(saved, name):
            continue
        raise InputError(
            f"{option(name)} {as_text(name, value)}: the run in {run} was started "
            f"with {getattr(saved, name)}, and a resumed run keeps its settings; remove the flag, "
            "or start a new run."
        )
    if saved.max_tokens_per_batch and "batch_size" in config.given:
        raise InputError(
            f"--batch-size {config.batch_size}: the run in {run} has --max-tokens-per-batch "
            "instead; remove the flag."
        )
    for name in DATA_SETTINGS:
        was_given_in_memory = was_in_memory(getattr(saved, name))
        if was_given_in_memory and name not in config.given:
            raise InputError(
                f"--resume {run}: the run has its {name} from memory; resume it from Python, with "
                f'mrc.train(TrainConfig(resume="{run}", {name}=...)) and the same data.'
            )


def as_text(name: str, value: Any) -> Any:
    """Return a given setting as a run records it."""
    if name in DATA_SETTINGS:
        return describe_source(value)
    if name == "model_class" and not isinstance(value, str):
        return class_name(value)
    return value


def check_trust(config: TrainConfig, saved: TrainConfig, checkpoint: Path) -> None:
    """Raise InputError if a setting that reads code or pickles is not given again."""
    for name in TRUST:
        wanted = getattr(saved, name)
        if wanted and as_text(name, getattr(config, name)) != wanted:
            raise InputError(
                f"--resume {checkpoint}: the run was started with{saved.trust_flags()}, which "
                "reads code or pickles; give it again to resume."
            )


def merge(config: TrainConfig, saved: TrainConfig, run: Path) -> TrainConfig:
    """Return the run's config with what was given anew, and with data and classes in memory."""
    changed = {name: value for name, value in config.given.items() if name in MAY_CHANGE}
    changed["output_dir"] = str(run)
    for name in (*DATA_SETTINGS, "model_class"):
        if name in config.given:
            changed[name] = config.given[name]
    return saved.changed(**changed)


def share_step(
    config: TrainConfig,
    saved: TrainConfig,
    resumed: TrainConfig,
    processes_then: int,
    processes_now: int,
) -> None:
    """Divide the run's steps among the processes that it has now, in `resumed`.

    A step keeps its number of features, or of micro-batches where --max-tokens-per-batch says how
    many features these have. Raises InputError if the processes cannot share it.
    """
    by_tokens = saved.max_tokens_per_batch is not None
    micro_batches = saved.gradient_accumulation_steps * processes_then
    step_size = micro_batches if by_tokens else micro_batches * saved.batch_size
    settings_of_size = {"batch_size", "gradient_accumulation_steps"}
    is_open = not by_tokens and not settings_of_size & config.given.keys()
    if is_open and step_size % processes_now == 0:
        share = step_size // processes_now
        divisors = [n for n in range(1, saved.batch_size + 1) if share % n == 0]
        resumed.batch_size = max(divisors)
    size_per_process = 1 if by_tokens else resumed.batch_size
    size_at_once = processes_now * size_per_process
    if "gradient_accumulation_steps" not in config.given:
        resumed.gradient_accumulation_steps = max(1, step_size // size_at_once)
    if resumed.gradient_accumulation_steps * size_at_once == step_size:
        return
    unit, choice = "features", "processes and a --batch-size whose product"
    if by_tokens:
        unit, choice = "micro-batches", "a number of processes that"
    raise InputError(
        f"--resume {config.resume}: a step of this run takes {step_size} {unit}, which "
        f"{processes_now} processes of {size_per_process} each cannot share; choose {choice} "
        f"divides {step_size}."
    )


def check_same_data(config: TrainConfig, checkpoint: Path) -> None:
    """Raise InputError if a data file of a run has changed since the run began."""
    path = checkpoint.parent / RECORD
    # A run can be resumed without its record.
    if not path.is_file():
        return
    before = read_json_object(path).get("data_sha256", {})
    for file, digest in data_hashes(config).items():
        if before.get(file, digest) != digest:
            raise InputError(
                f"--resume {checkpoint}: {file} has changed since the run began; resume a run "
                "with the same data."
            )


def check_same_settings(checkpoint: Path, config: dict[str, Any], processes: int) -> None:
    """Raise InputError if a Trainer has other settings than the run that it is to resume.

    config: the Trainer's, as a checkpoint records it. processes: how many share the run now.
    """
    settings = run_settings(checkpoint)
    saved = settings["config"]
    for name, value in config.items():
        if name not in MAY_CHANGE and name in saved and saved[name] != value:
            raise InputError(
                f"{checkpoint}: the run was started with {name}={saved[name]!r}, and a resumed run "
                f"keeps its settings; the Trainer has {value!r}."
            )
    then = step_size(saved, settings["processes"])
    now = step_size(config, processes)
    if then != now:
        raise InputError(
            f"{checkpoint}: a step of the run takes {then} features or micro-batches, and would "
            f"take {now} now; choose batch_size and gradient_accumulation_steps accordingly."
        )


def step_size(config: dict[str, Any], processes: int) -> int:
    """Return how many features a step takes; micro-batches if --max-tokens-per-batch rules."""
    micro_batches = config["gradient_accumulation_steps"] * processes
    return micro_batches if config["max_tokens_per_batch"] else micro_batches * config["batch_size"]


def how_to_resume(
    settings: TrainConfig | None, folder: Path, processes: int = 1, *, from_python: bool = False
) -> str:
    """Return the command, or the line of Python, that resumes a run.

    settings: the run's; None for a Trainer that was made in Python. from_python: whether no command
    started the run.
    """
    if settings is None:
        return f'trainer.resume("{folder}") and trainer.fit()'
    in_memory = [name for name in DATA_SETTINGS if was_in_memory(getattr(settings, name))]
    if from_python or in_memory:
        trusted = {name: getattr(settings, name) for name in TRUST}
        again = [f'resume="{folder}"']
        again += [f"{name}={value!r}" for name, value in trusted.items() if value]
        again += [f"{name}=..." for name in in_memory]
        line = f"mrc.train(TrainConfig({', '.join(again)}))"
        return f"{line} and the same data" if in_memory else line
    command = program("train")
    if processes > 1:
        script = "train.py" if command.endswith("train.py") else "-m mrc train"
        command = f"torchrun --nproc_per_node={processes} {script}"
    return f"{command} --resume {folder}{settings.trust_flags()}"


def was_in_memory(source: str | None) -> bool:
    """Whether a run's record describes data that was given from Python, and names no file."""
    return source is not None and source.startswith(IN_MEMORY)
