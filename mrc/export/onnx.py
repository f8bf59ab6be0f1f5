"""A reader as ONNX, for programs without PyTorch, checked against what it was made from."""

import logging
import os
import shutil
import sys
import tempfile
import time
import warnings
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from mrc.checkpoint.loading import as_trained, find_checkpoint, load_checkpoint
from mrc.checkpoint.store import SETTINGS
from mrc.data.loading import load_questions
from mrc.errors import InputError, in_short
from mrc.features.batching import INPUTS, make_loader
from mrc.features.dataset import EXACT_MATCH_TYPE, FeatureDataset, WindowSettings
from mrc.features.template import Template
from mrc.files import write_json
from mrc.metrics.metrics import Metrics

REPORT = "export.json"


FILES = {"onnx": "model.onnx", "int8": "model_int8.onnx"}


OUTPUTS = ["start_logits", "end_logits"]


OPSET = 18


TOLERANCE = 1e-3  # between the logits of PyTorch and of ONNX in float32; sums in another order differ by 1e-5 or so


EXAMPLE = (2, 24)  # batch and length that the exporter sees; it must not hold on to either


SHAPES = (
    (1, 16),
    (1, 24),
    (2, 37),
    (3, 64),
    (5, 31),
    (16, 24),
)  # those that are checked; the longest window is added


TWO_GIB = 2**31 - 2**26  # what one ONNX file can hold, less some room for the graph itself


def export_onnx(config):
    """Make the folder that an ExportConfig asks for, whole or not at all; return what export.json then holds. Raises InputError."""
    onnx, onnxruntime = onnx_packages()
    folder = Path(config.out)
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise InputError(f"{folder}: is there already; choose another folder, or remove this one.")
    checkpoint = find_checkpoint(config.checkpoint)
    model, tokenizer, settings = load_checkpoint(
        checkpoint,
        model_class=config.model_class,
        trust_remote_code=config.trust_remote_code,
        allow_pickle=config.allow_pickle,
    )
    model.eval()
    trained = as_trained(settings, model, tokenizer)
    comparison = _comparison(config, model, tokenizer, settings, trained) if config.data else None

    with _whole_folder(folder) as aside:
        report = {
            "checkpoint": str(config.checkpoint),
            "opset": OPSET,
            "tolerance": TOLERANCE,
            **to_onnx(model, tokenizer, aside / FILES["onnx"], trained.max_length),
        }
        readers = {"pytorch": model, "onnx": OnnxReader(aside / FILES["onnx"])}
        models = {
            "pytorch": {"mb": sum(p.nbytes for p in model.state_dict().values()) / 1e6},
            "onnx": {
                "mb": _megabytes(aside / FILES["onnx"]),
                "largest_difference": report.pop("largest_difference"),
            },
        }
        if config.int8:
            quantize(aside / FILES["onnx"], aside / FILES["int8"])
            readers["int8"] = OnnxReader(aside / FILES["int8"])
            models["int8"] = {
                "mb": _megabytes(aside / FILES["int8"]),
                "largest_difference": largest_difference(
                    model, readers["int8"], tokenizer, trained.max_length
                ),
            }
        if comparison:
            dataset, metric_settings = comparison
            report.update(
                {
                    "data": config.data,
                    "questions": len(dataset.examples),
                    "windows": len(dataset),
                    "batch_size": config.batch_size,
                    "threads": torch.get_num_threads(),
                }
            )
            for name, found in compare(
                readers, dataset, config.batch_size, **metric_settings
            ).items():
                models[name].update(found)
        report["models"] = models
        report["versions"] = {
            "torch": torch.__version__,
            "onnx": onnx.__version__,
            "onnxruntime": onnxruntime.__version__,
        }
        tokenizer.save_pretrained(aside)
        for name in ("config.json", SETTINGS):
            if (Path(checkpoint) / name).is_file():
                shutil.copyfile(Path(checkpoint) / name, aside / name)
        write_json(aside / REPORT, report, indent=2)
    return report


class OnnxReader(nn.Module):
    """An ONNX reader in place of a model: the same inputs, the logits as tensors, for `Metrics` and `evaluate`.

    path: the .onnx file; threads: that onnxruntime computes with, by default as many as PyTorch. On CPU only.
    """

    def __init__(self, path, threads=None):
        super().__init__()
        _, onnxruntime = onnx_packages()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or torch.get_num_threads()
        options.log_severity_level = 4  # its errors are raised as well
        self.session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
        self.takes = [node.name for node in self.session.get_inputs()]
        self.on = nn.Parameter(
            torch.empty(0), requires_grad=False
        )  # tells `evaluate` that this reader computes on the CPU

    def forward(self, input_ids, attention_mask=None, token_type_ids=None):
        """input_ids, attention_mask, token_type_ids: (batch, length) -> start_logits, end_logits: (batch, length)."""
        attention_mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        given = {
            "input_ids": input_ids,
            "attention_mask": attention_mask,
            "token_type_ids": token_type_ids,
        }
        start_logits, end_logits = self.session.run(
            OUTPUTS, {name: given[name].numpy() for name in self.takes}
        )
        return torch.from_numpy(start_logits), torch.from_numpy(end_logits)


def to_onnx(model, tokenizer, path, longest):
    """Write a reader in evaluation mode to the file `path`, and hold it against PyTorch in many shapes.

    longest: the longest window that it shall be checked on, in tokens. PyTorch's exporter goes first, and where it cannot,
    or fixes a shape, the older one that traces. Returns {"exporter", "passed_over": why the first was not taken, "inputs",
    "checked": [[batch, length], ...], "largest_difference"}. Raises InputError, with the reasons, where neither gives the same
    logits up to TOLERANCE.
    """
    example = probe(model, tokenizer, *EXAMPLE)
    with torch.inference_mode():
        outputs = model(**example)
    if not (
        isinstance(outputs, tuple)
        and len(outputs) == 2
        and all(logits.shape == EXAMPLE for logits in outputs)
    ):
        raise InputError(
            "this reader gives other than start and end logits, which alone can be exported: one pair a token."
        )
    failures = []
    for exporter, dynamo in (("torch.export", True), ("tracing", False)):
        try:
            _write(model, example, path, dynamo)
            difference = largest_difference(model, OnnxReader(path), tokenizer, longest)
        except Exception as error:  # the exporters, onnx and onnxruntime each raise their own kinds
            failures.append(f"{exporter}: {_reason(error)}")
            continue
        if difference <= TOLERANCE:
            return {
                "exporter": exporter,
                "passed_over": failures,
                "inputs": list(example),
                "checked": _shapes(longest),
                "largest_difference": difference,
            }
        failures.append(
            f"{exporter}: its logits differ by {difference:.2g}, and {TOLERANCE:g} is allowed"
        )
    raise InputError(f"this reader cannot be exported ({'; '.join(failures)}).")


def _write(model, example, path, dynamo):
    """Export by one of PyTorch's two exporters to `path`; weights that no one file can hold go to PATH.data."""
    for left in path.parent.glob(f"{path.name}*"):  # of an earlier attempt
        left.unlink()
    names, is_large = list(example), _is_large(model)
    if dynamo:
        free = {0: torch.export.Dim("batch"), 1: torch.export.Dim("length")}
        how = {"dynamic_shapes": (free,) * len(names), "external_data": is_large, "verbose": False}
    else:
        how = {"dynamic_axes": {name: {0: "batch", 1: "length"} for name in names + OUTPUTS}}
    with _quiet(), torch.no_grad(), tempfile.TemporaryDirectory(dir=path.parent) as beside:
        scattered = (
            Path(beside) / path.name
        )  # the exporter that traces gives each large weight a file of its own
        torch.onnx.export(
            model,
            tuple(example.values()),
            str(path if dynamo else scattered),
            dynamo=dynamo,
            input_names=names,
            output_names=OUTPUTS,
            opset_version=OPSET,
            **how,
        )
        if not dynamo:
            onnx, _ = onnx_packages()
            onnx.save_model(
                onnx.load(scattered),
                path,
                save_as_external_data=is_large,
                location=f"{path.name}.data",
            )


def quantize(path, quantized):
    """Write the ONNX file `path` anew with 8-bit weights, to `quantized`; activations are rounded as they come.

    One scale a column, and 7 of the 8 bits: without VNNI, a CPU's sums of 8 bits overflow.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    is_large = path.with_name(path.name + ".data").exists()
    with _quiet():
        quantize_dynamic(
            path,
            quantized,
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=True,
            use_external_data_format=is_large,
        )


def largest_difference(model, reader, tokenizer, longest):
    """The largest absolute difference of two readers' logits on made-up inputs of many shapes; NaN if one gives NaN.

    longest: tokens of the longest. Logits of padding, which nobody looks at, are left out.
    """
    largest = []
    for shape in _shapes(longest):
        inputs = probe(model, tokenizer, *shape)
        real = inputs["attention_mask"] == 1
        with torch.inference_mode():
            largest += [
                (a - b)[real].abs().max() for a, b in zip(model(**inputs), reader(**inputs))
            ]
    return torch.stack(largest).max().item()


def _shapes(longest):
    return [[batch, min(length, longest)] for batch, length in (*SHAPES, (2, longest))]


def probe(model, tokenizer, batch, length):
    """Inputs for a reader: random tokens in the tokenizer's template, the first row of full length, later ones shorter and padded.

    Returns a dict of the inputs that the model takes and the tokenizer makes, each (batch, length), int64.
    """
    rng, template = np.random.default_rng((batch, length)), Template.of(tokenizer)
    vocabulary = np.setdiff1d(np.arange(len(tokenizer)), tokenizer.all_special_ids)
    ids = np.full((batch, length), tokenizer.pad_token_id or 0)
    types, mask = np.full_like(ids, tokenizer.pad_token_type_id), np.zeros_like(ids)
    for row in range(batch):
        room = max(2, length - len(template) - row * length // (2 * batch))
        drawn = {
            "question": rng.choice(vocabulary, max(1, room // 4)),
            "context": rng.choice(vocabulary, room - max(1, room // 4)),
        }
        parts = [
            (
                drawn[part] if isinstance(part, str) else part,
                part_types,
                part == "context" if isinstance(part, str) else False,
            )
            for part, part_types in template.parts
        ]
        tokens = np.concatenate([part for part, _, _ in parts])
        token_types = np.concatenate(
            [np.broadcast_to(part_types, part.shape) for part, part_types, _ in parts]
        )
        if getattr(model, "marks_exact_match", False):
            is_context = np.concatenate(
                [np.full(part.shape, is_context) for part, _, is_context in parts]
            )
            token_types = np.where(
                is_context & (rng.random(len(tokens)) < 0.3), EXACT_MATCH_TYPE, token_types
            )
        place = (
            slice(length - len(tokens), None)
            if tokenizer.padding_side == "left"
            else slice(len(tokens))
        )
        ids[row, place], types[row, place], mask[row, place] = tokens, token_types, 1
    takes_types = (
        getattr(model, "takes_token_types", True)
        and "token_type_ids" in tokenizer.model_input_names
    )
    arrays = dict(zip(INPUTS, (ids, mask, types)))
    return {
        name: torch.from_numpy(array)
        for name, array in arrays.items()
        if name != "token_type_ids" or takes_types
    }


def compare(readers, dataset, batch_size=16, **settings):
    """Score and time readers on the same batches, each batch by all of them in turn, so that they share what else the machine does.

    readers: name -> module, the first of which the others are held against; dataset: FeatureDataset; settings: of Metrics.
    Returns name -> {"windows_per_second" (forward passes alone), "answers_changed", "scorer", and the scores}.
    """
    metrics, seconds = (
        {name: Metrics(dataset, **settings) for name in readers},
        dict.fromkeys(readers, 0.0),
    )
    bar = tqdm(
        make_loader(dataset, batch_size),
        desc="comparing",
        unit="batch",
        leave=False,
        disable=not sys.stderr.isatty(),
    )
    for number, batch in enumerate(bar):
        inputs = {name: batch[name] for name in INPUTS if name in batch}
        for name, reader in readers.items():
            with torch.inference_mode():
                if number == 0:
                    reader(**inputs)  # what is done once, at the first pass, is not timed
                started = time.perf_counter()
                logits = reader(**inputs)
                seconds[name] += time.perf_counter() - started
            metrics[name].update(batch["feature_index"], *logits)
    results = {}
    for name in readers:
        scores = metrics[name].compute()
        original = metrics[next(iter(readers))].predictions
        changed = sum(
            text != original[identity] for identity, text in metrics[name].predictions.items()
        )
        results[name] = {
            "windows_per_second": len(dataset) / seconds[name],
            "answers_changed": changed,
            "scorer": metrics[name].scorer,
            **scores,
        }
    return results


def _comparison(config, model, tokenizer, settings, trained):
    """The dataset of --data in windows as trained, and the settings of Metrics."""
    examples = load_questions(config.data, config.split, config.max_eval_examples)
    model.check_fits(tokenizer, trained.max_length)
    dataset = FeatureDataset(
        examples,
        tokenizer,
        WindowSettings(
            max_length=trained.max_length,
            stride=trained.stride,
            max_question_length=trained.max_question_length,
            mark_exact_match=model.marks_exact_match,
            mask_question=trained.mask_question,
        ),
    )
    return dataset, {
        "scorer": trained.scorer,
        "n_best": trained.n_best,
        "max_answer_length": trained.max_answer_length,
        "search": trained.search,
        "allows_no_answer": settings.get("allows_no_answer") or None,
        "null_threshold": settings.get("null_threshold", 0.0),
    }


def onnx_packages():
    """onnx and onnxruntime, of the extra `onnx`. Raises InputError naming it."""
    try:
        import onnx
        import onnxruntime
        import onnxscript  # noqa: F401  (PyTorch's exporter needs it)
    except ImportError as error:
        raise InputError(
            f'exporting needs onnx, onnxruntime and onnxscript: pip install -e ".[onnx]". ({error})'
        ) from None
    return onnx, onnxruntime


@contextmanager
def _whole_folder(folder):
    """Give a folder to fill, which takes the place of `folder` once the block has ended well, and else goes. Raises InputError."""
    aside = folder.with_name(f".{folder.name}.tmp")
    try:
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        yield aside
        if folder.exists():
            folder.rmdir()  # it is empty
        os.rename(aside, folder)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error}).") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def _quiet():
    """Keep the exporters from telling what they do: what comes of it is checked here."""
    level = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


def _reason(error):
    """The cause of an exporter's error, in one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    return in_short(f"{type(error).__name__}: {error}")


def _megabytes(path):
    """The size of an ONNX file, and of the file beside it that holds its weights where they are large."""
    return sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*")) / 1e6


def _is_large(model):
    return sum(parameter.nbytes for parameter in model.parameters()) > TWO_GIB
