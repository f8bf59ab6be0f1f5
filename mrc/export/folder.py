"""An exported reader: the folder with its files, made whole or not at all."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mrc.checkpoint.loading import as_trained, find_checkpoint, load_checkpoint
from mrc.checkpoint.store import SETTINGS
from mrc.config.export import ExportConfig
from mrc.config.train import TrainConfig
from mrc.data.loading import load_questions
from mrc.errors import InputError
from mrc.export.comparison import compare
from mrc.export.onnx import OPSET, TOLERANCE, OnnxReader, onnx_packages, quantize, to_onnx
from mrc.export.probe import largest_difference
from mrc.features.dataset import FeatureDataset, WindowSettings
from mrc.files import write_json, written_folder

REPORT = "export.json"
FILES = {"onnx": "model.onnx", "int8": "model_int8.onnx"}


def export_onnx(config: ExportConfig) -> dict[str, Any]:
    """Make the folder that `config` asks for, whole or not at all; return what export.json holds.

    Raises:
        InputError: the folder is there already or cannot be written, the checkpoint cannot be
            loaded or exported, or a package of the extra `onnx` is missing.
    """
    onnx, onnxruntime = onnx_packages()
    folder = Path(config.out)
    is_empty_folder = folder.is_dir() and not any(folder.iterdir())
    if folder.exists() and not is_empty_folder:
        raise InputError(f"{folder}: already exists; choose another folder, or remove this one.")
    checkpoint = find_checkpoint(config.checkpoint)
    model, tokenizer, settings = load_checkpoint(
        checkpoint,
        model_class=config.model_class,
        trust_remote_code=config.trust_remote_code,
        allow_pickle=config.allow_pickle,
    )
    trained = as_trained(settings, model, tokenizer)
    # Read first: a wrong --data should not cost an export.
    dataset = _comparison_data(config, model, tokenizer, trained) if config.data else None

    try:
        with written_folder(folder) as unfinished:
            report, readers = _write_models(config, model, tokenizer, trained, unfinished)
            if dataset is not None:
                _add_comparison(report, readers, dataset, config, settings, trained)
            report["versions"] = {
                "torch": torch.__version__,
                "onnx": onnx.__version__,
                "onnxruntime": onnxruntime.__version__,
            }
            tokenizer.save_pretrained(unfinished)
            for name in ("config.json", SETTINGS):
                if (Path(checkpoint) / name).is_file():
                    shutil.copyfile(Path(checkpoint) / name, unfinished / name)
            write_json(unfinished / REPORT, report, indent=2)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error}).") from error
    return report


def _write_models(
    config: ExportConfig, model: nn.Module, tokenizer: Any, trained: TrainConfig, folder: Path
) -> tuple[dict[str, Any], dict[str, nn.Module]]:
    """Write the ONNX files; return the report on them, and all readers by name."""
    longest = trained.max_length
    path = folder / FILES["onnx"]
    report = {
        "checkpoint": str(config.checkpoint),
        "opset": OPSET,
        "tolerance": TOLERANCE,
        **to_onnx(model, tokenizer, path, longest),
    }
    readers = {"pytorch": model, "onnx": OnnxReader(path)}
    weights = sum(tensor.nbytes for tensor in model.state_dict().values())
    models: dict[str, dict[str, Any]] = {
        "pytorch": {"mb": weights / 1e6},
        "onnx": {
            "mb": _megabytes(path),
            "largest_difference": report.pop("largest_difference"),
        },
    }
    if config.int8:
        quantized = folder / FILES["int8"]
        quantize(path, quantized)
        readers["int8"] = OnnxReader(quantized)
        models["int8"] = {
            "mb": _megabytes(quantized),
            "largest_difference": largest_difference(model, readers["int8"], tokenizer, longest),
        }
    report["models"] = models
    return report, readers


def _comparison_data(
    config: ExportConfig, model: Any, tokenizer: Any, trained: TrainConfig
) -> FeatureDataset:
    """The questions of --data, in windows as the reader was trained on."""
    examples = load_questions(config.data, config.split, config.max_eval_examples)
    model.check_fits(tokenizer, trained.max_length)
    windows = replace(WindowSettings.from_config(trained, model), cache=None)
    return FeatureDataset(examples, tokenizer, windows)


def _add_comparison(
    report: dict[str, Any],
    readers: dict[str, nn.Module],
    dataset: FeatureDataset,
    config: ExportConfig,
    settings: dict[str, Any],
    trained: TrainConfig,
) -> None:
    """Score the readers side by side, and add what was found to the report."""
    report["data"] = config.data
    report["questions"] = len(dataset.examples)
    report["windows"] = len(dataset)
    report["batch_size"] = config.batch_size
    report["threads"] = torch.get_num_threads()
    found = compare(
        readers,
        dataset,
        config.batch_size,
        scorer=trained.scorer,
        n_best=trained.n_best,
        max_answer_length=trained.max_answer_length,
        search=trained.search,
        allows_no_answer=settings.get("allows_no_answer") or None,
        null_threshold=settings.get("null_threshold", 0.0),
    )
    for name, results in found.items():
        report["models"][name].update(results)


def _megabytes(path: Path) -> float:
    """The size of an ONNX file, with the file beside it that holds large weights."""
    return sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*")) / 1e6
