"""The data of a run: what it is trained on, what it is scored on, and what was odd about it."""

import hashlib
import json
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from mrc.config.extras import check_extra
from mrc.config.train import TrainConfig
from mrc.data.examples import ExampleList, read_examples
from mrc.data.formats import PARQUET, files_of, is_hub_id
from mrc.data.left_out import about_left_out, nothing_to_train_on
from mrc.data.library import is_saved_folder
from mrc.data.memory import is_in_memory
from mrc.data.records import OnProblem, raise_problem
from mrc.data.sample import is_sample, load_sample
from mrc.data.splitting import leak_warning, split_examples
from mrc.errors import InputError
from mrc.files import sha256, write_json
from mrc.wording import counted

# How `describe_source` begins what it says of data in memory.
IN_MEMORY = "in memory ("

# The settings that hold data. Their names are its names in errors and records too.
DATA_SETTINGS = ("train_file", "validation_file")


class RunData(NamedTuple):
    """The examples of a run.

    Attributes:
        train: those to train on.
        validation: those to score, or None.
        left_out: a sentence on the questions that cannot be trained on, or "".
    """

    train: ExampleList
    validation: ExampleList | None
    left_out: str


class ExampleView(Protocol):
    """Examples as features: the part of a FeatureDataset that is needed here."""

    examples: Any

    def report(self) -> str:
        """What to tell the user about them, or ""."""


def load_examples(
    source: Any,
    *,
    on_bad_answer: str = "repair",
    split: str | None = None,
    usual_split: str = "train",
    name: str = "",
    on_problem: OnProblem = raise_problem,
) -> ExampleList:
    """Read and check a data set, and warn of keys in it that nothing reads.

    Args:
        source: "sample", "sample:ko,en" or "sample:en:unanswerable" for the built-in corpus; a
            path, a glob, a hub id, or "-" for standard input, as `formats.read_records` takes it;
            or the data itself: a list of dicts as a JSON file would hold them, a list of Examples,
            a `datasets.Dataset` or a pandas DataFrame.
        on_bad_answer: what to do with an answer that is not at its answer_start. "repair" moves
            it to its nearest exact occurrence. "skip" gives it the start NOT_FOUND, as "repair"
            does if it is nowhere: it is not trained on, but its text counts in scores, because
            official scorers never look at answer_start. "error" raises.
        split: the split to read of a data set that has several, or a slice of it; "train" or
            "validation" for the corpus.
        usual_split: what `split` is if it is not given.
        name: what errors call data in memory, such as "train_file".
        on_problem: takes the error of each record that is refused; by default it is raised.

    Raises:
        InputError: naming file, record and field.
    """
    examples = load_data(
        source,
        split,
        usual_split=usual_split,
        on_bad_answer=on_bad_answer,
        name=name,
        on_problem=on_problem,
    )
    for sentence in examples.findings.unused.sentences(examples.source):
        warnings.warn(sentence, stacklevel=2)
    return examples


def load_data(
    source: Any,
    split: str | None = None,
    *,
    usual_split: str = "validation",
    on_bad_answer: str = "repair",
    name: str = "",
    on_problem: OnProblem = raise_problem,
) -> ExampleList:
    """`load_examples` without its warning, for commands that print `ExampleList.report`."""
    if not is_in_memory(source):
        if is_sample(source):
            return load_sample(source, split or usual_split)
        if str(source).startswith(IN_MEMORY):
            raise InputError(
                f"{name or 'data'}: the run's data was {source}, which is not saved; give the "
                "same data again."
            )
    return read_examples(
        source,
        on_bad_answer=on_bad_answer,
        split=split,
        usual_split=usual_split,
        name=name,
        on_problem=on_problem,
    )


def load_questions(source: Any, split: str | None = None, count: int | None = None) -> ExampleList:
    """Load the first `count` questions of a source, or all, to be answered or scored.

    Raises:
        InputError: if the source cannot be read or holds no question.
    """
    # Scores compare texts, so it does not matter where an answer stands.
    examples = load_data(source, split, on_bad_answer="skip")
    if not examples:
        raise InputError(f"{examples.source}: holds no question.")
    return examples.head(count)


def report_notes(examples: ExampleList) -> None:
    """Print what was odd about questions to be answered or scored, if anything was."""
    for note in examples.notes():
        print(note)


def load_training_data(config: TrainConfig) -> tuple[ExampleList, ExampleList | None]:
    """Load the training and the validation examples of a run; the latter is None if it has none.

    Raises:
        InputError: if they cannot be loaded.
    """
    for source in (config.train_file, config.validation_file):
        check_packages(source)
    has_file = config.train_file is not None
    train = load_data(
        config.train_file if has_file else config.data,
        config.train_split,
        usual_split="train",
        on_bad_answer=config.on_bad_answer,
        name="train_file",
    )
    if config.validation_fraction:
        return split_examples(train, config.validation_fraction, config.seed)
    return train, load_validation_data(config)


def check_packages(source: Any) -> None:
    """Raise InputError if a package that reading a source needs is not installed.

    Nothing is read: a run should not load its training data to find that its validation data need
    another package.
    """
    if source is None or is_in_memory(source) or is_sample(source):
        return
    path = str(source)
    needs_datasets = is_saved_folder(Path(path)) or is_hub_id(path)
    if not needs_datasets:
        suffixes = {Path(file.removesuffix(".gz")).suffix for file in files_of(path)}
        needs_datasets = PARQUET in suffixes
    if needs_datasets:
        check_extra("hub", f"{path}: reading hub data sets, save_to_disk folders and Parquet")


def load_validation_data(config: TrainConfig) -> ExampleList | None:
    """Load the validation examples of a run alone; otherwise as `load_training_data`."""
    if config.validation_fraction:
        return load_training_data(config)[1]
    source = config.validation_file
    # The built-in corpus has a part of its own to score.
    if source is None and config.train_file is None:
        source = config.data
    if source is None:
        return None
    return load_data(
        source,
        config.validation_split,
        usual_split="validation",
        on_bad_answer=config.on_bad_answer,
        name="validation_file",
    )


def load_run_data(config: TrainConfig) -> RunData:
    """Load what a run trains on and scores, cut to the numbers of examples in its settings.

    Raises:
        InputError: if the data cannot be loaded, or a part of it holds nothing of use.
    """
    loaded, validation = load_training_data(config)
    train = loaded.trainable().head(config.max_train_examples)
    if not train:
        raise nothing_to_train_on(loaded)
    if validation is not None:
        validation = validation.head(config.max_eval_examples)
        if not validation:
            raise InputError(f"{validation.source}: holds no question to score.")
    return RunData(train, validation, about_left_out(loaded))


def bad_answer_records(*parts: ExampleList | None) -> list[dict[str, Any]]:
    """The BadAnswers of some ExampleLists as dicts for a JSON file, each once."""
    present = [part for part in parts if part is not None]
    bad_answers = dict.fromkeys(bad for part in present for bad in part.bad_answers)
    return [asdict(bad) for bad in bad_answers]


def report_data_problems(
    train_set: ExampleView, eval_set: ExampleView | None, left_out: str, folder: Path | None
) -> None:
    """Print what in the data of a run was left out, cut or repaired.

    Bad answers are listed in the folder's bad_answers.json, if there is a folder.
    """
    train = train_set.examples
    validation = eval_set.examples if eval_set else None
    reports = [train.report(), left_out, train_set.report()]
    if eval_set and validation:
        reports += [validation.report(), eval_set.report(), leak_warning(train, validation)]
    # Each sentence once: both parts may be of one file.
    sentences = "\n".join(reports).split("\n")
    for sentence in dict.fromkeys(sentences):
        if sentence:
            print(sentence)
    bad_answers = bad_answer_records(train, validation)
    if bad_answers and folder is not None:
        file = folder / "bad_answers.json"
        write_json(file, bad_answers, indent=2)
        print(f"The bad answers are listed in {file}.")


def describe_source(source: Any) -> str | None:
    """What a run records of its data: a path or a hub id as it is, data in memory in short.

    Data in memory becomes "in memory (120 records, sha256 0123456789ab)". The hash is the same
    whether the questions come as a list, as a Dataset or as a DataFrame.
    """
    if source is None:
        return None
    if not is_in_memory(source):
        return str(source)
    examples = _readable(source)
    count = counted(len(examples), "record")
    return f"{IN_MEMORY}{count}, sha256 {_content_hash(examples)[:12]})"


def data_hashes(config: TrainConfig) -> dict[str, str]:
    """The SHA-256 of the data of a run, to tell whether it is resumed with the same data.

    Returns:
        {path: hash} of each file; a folder or a glob is the files that it stands for. Data in
        memory is under the name of its setting. Hub data sets are left out.
    """
    hashes: dict[str, str] = {}
    for name in DATA_SETTINGS:
        source = getattr(config, name)
        if source is None:
            continue
        if is_in_memory(source):
            hashes[name] = _content_hash(_readable(source))
        elif not is_hub_id(source):
            files = [file for file in files_of(source) if Path(file).is_file()]
            hashes.update({file: sha256(file) for file in files})
    return hashes


def _readable(source: Any) -> ExampleList:
    """The questions of data in memory that can be read: what cannot is for loading to say."""
    return read_examples(source, on_bad_answer="skip", on_problem=lambda error: None)


def _content_hash(examples: ExampleList) -> str:
    """The SHA-256 of everything that examples hold, and of their answers' first places."""
    digest = hashlib.sha256()
    previous = None
    for example in examples:
        # Most contexts have several questions, one after the other: each is hashed once.
        context = None if example.context == previous else example.context
        previous = example.context
        answers = [[answer.text, answer.start] for answer in example.answers]
        _add(digest, [example.id, example.question, context, answers])
        _add(digest, [example.is_impossible, example.title])
    for bad in examples.bad_answers:
        _add(digest, [bad.id, bad.text, bad.answer_start])
    return digest.hexdigest()


def _add(digest: Any, value: list[Any]) -> None:
    digest.update(json.dumps(value).encode())
