"""From a reader to an ONNX file, which must give the logits of PyTorch in every shape."""

import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from mrc.errors import InputError, import_optional, in_short
from mrc.export.probe import check_shapes, largest_difference, probe

OUTPUTS = ["start_logits", "end_logits"]
OPSET = 18
# Between logits in float32. Sums in another order differ by about 1e-5.
TOLERANCE = 1e-3
# Batch and length that the exporter sees; the file must not be tied to either.
EXAMPLE = (2, 24)
# What one ONNX file can hold, less some room for the graph itself.
TWO_GIB = 2**31 - 2**26


class OnnxReader(nn.Module):
    """An ONNX file in place of a model, on the CPU, for `Metrics` and `evaluate`.

    Args:
        path: the .onnx file.
        threads: number of threads; by default as many as PyTorch has.
    """

    def __init__(self, path: str | Path, threads: int | None = None):
        super().__init__()
        _, onnxruntime = onnx_packages()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or torch.get_num_threads()
        # Its errors are raised as well as logged.
        options.log_severity_level = 4
        self.session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
        self.takes = [node.name for node in self.session.get_inputs()]
        # By its parameters `evaluate` sees which device a model computes on.
        self.device_marker = nn.Parameter(torch.empty(0), requires_grad=False)

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Inputs of (batch, length) -> start and end logits, each (batch, length)."""
        if attention_mask is None:
            attention_mask = torch.ones_like(input_ids)
        given: dict[str, Any] = {
            "input_ids": input_ids,
            "attention_mask": attention_mask,
            "token_type_ids": token_type_ids,
        }
        arrays = {name: given[name].numpy() for name in self.takes}
        start_logits, end_logits = self.session.run(OUTPUTS, arrays)
        return torch.from_numpy(start_logits), torch.from_numpy(end_logits)


def to_onnx(model: nn.Module, tokenizer: Any, path: Path, longest: int) -> dict[str, Any]:
    """Write a reader to an ONNX file, and check it against PyTorch in many shapes.

    PyTorch's new exporter is tried first. Where it fails, or ties the file to a shape, the older
    one that traces is used.

    Args:
        model: the reader, in evaluation mode.
        tokenizer: the reader's.
        path: the file to write.
        longest: tokens of the longest window that is checked.

    Returns:
        "exporter", "passed_over" (why the first was not used), "inputs", "checked" (a list of
        [batch, length]) and "largest_difference".

    Raises:
        InputError: neither gives the same logits up to TOLERANCE; the message has the reasons.
    """
    example = probe(model, tokenizer, *EXAMPLE)
    _check_outputs(model, example)
    failures = []
    for exporter, dynamo in (("torch.export", True), ("tracing", False)):
        # The exporters, onnx and onnxruntime each raise their own kinds of exception.
        try:
            write_graph(model, example, path, dynamo=dynamo)
            difference = largest_difference(model, OnnxReader(path), tokenizer, longest)
        except Exception as error:
            failures.append(f"{exporter}: {_reason(error)}")
            continue
        if difference <= TOLERANCE:
            return {
                "exporter": exporter,
                "passed_over": failures,
                "inputs": list(example),
                "checked": check_shapes(longest),
                "largest_difference": difference,
            }
        failures.append(
            f"{exporter}: its logits differ by {difference:.2g}, and {TOLERANCE:g} is allowed"
        )
    raise InputError(f"this reader cannot be exported ({'; '.join(failures)}).")


def write_graph(
    model: nn.Module, example: dict[str, torch.Tensor], path: Path, *, dynamo: bool
) -> None:
    """Write a model's graph with one of PyTorch's two exporters, unchecked.

    Weights too large for one file go into a second, path.data.

    Args:
        model: the reader, in evaluation mode.
        example: its inputs by name, each of (batch, length).
        path: the file to write; what an earlier attempt left there is removed.
        dynamo: use the exporter of torch.export, not the one that traces.
    """
    for left_over in path.parent.glob(f"{path.name}*"):
        left_over.unlink()
    is_large = sum(parameter.nbytes for parameter in model.parameters()) > TWO_GIB
    if dynamo:
        _export(model, example, path, dynamo=True, is_large=is_large)
        return
    onnx, _ = onnx_packages()
    with tempfile.TemporaryDirectory(dir=path.parent) as beside:
        # The exporter that traces gives each large weight a file of its own: join them.
        scattered = Path(beside) / path.name
        _export(model, example, scattered, dynamo=False, is_large=is_large)
        onnx.save_model(
            onnx.load(scattered),
            path,
            save_as_external_data=is_large,
            location=f"{path.name}.data",
        )


def quantize(path: Path, quantized: Path) -> None:
    """Write an ONNX file again with 8-bit weights; activations are rounded as they come."""
    quantization = import_optional(
        "onnxruntime.quantization", extra="onnx", purpose="Exporting with 8-bit weights"
    )
    is_large = path.with_name(f"{path.name}.data").exists()
    with _quiet():
        quantization.quantize_dynamic(
            path,
            quantized,
            weight_type=quantization.QuantType.QInt8,
            per_channel=True,
            # 7 of the 8 bits: without VNNI, a CPU's sums of 8 bits overflow.
            reduce_range=True,
            use_external_data_format=is_large,
        )


def onnx_packages() -> tuple[ModuleType, ModuleType]:
    """The modules onnx and onnxruntime. Raises InputError if one of the extra `onnx` is missing."""
    # PyTorch's exporter imports onnxscript.
    names = ("onnx", "onnxruntime", "onnxscript")
    onnx, onnxruntime, _ = (
        import_optional(name, extra="onnx", purpose="Exporting to ONNX") for name in names
    )
    return onnx, onnxruntime


def _check_outputs(model: nn.Module, example: dict[str, torch.Tensor]) -> None:
    """Raise InputError if a reader returns anything but a start and an end logit for each token."""
    with torch.inference_mode():
        outputs = model(**example)
    is_pair = isinstance(outputs, tuple) and len(outputs) == 2
    if not (is_pair and all(logits.shape == EXAMPLE for logits in outputs)):
        raise InputError(
            "this reader cannot be exported: it does not return one start logit and one end logit "
            "for each token."
        )


def _export(
    model: nn.Module,
    example: dict[str, torch.Tensor],
    path: Path,
    *,
    dynamo: bool,
    is_large: bool,
) -> None:
    """Call torch.onnx.export, with batch and length left free."""
    names = list(example)
    options: dict[str, Any]
    if dynamo:
        free = {0: torch.export.Dim("batch"), 1: torch.export.Dim("length")}
        shapes = (free,) * len(names)
        options = {"dynamic_shapes": shapes, "external_data": is_large, "verbose": False}
    else:
        axes = {0: "batch", 1: "length"}
        options = {"dynamic_axes": dict.fromkeys(names + OUTPUTS, axes)}
    with _quiet(), torch.no_grad():
        torch.onnx.export(
            model,
            tuple(example.values()),
            str(path),
            dynamo=dynamo,
            input_names=names,
            output_names=OUTPUTS,
            opset_version=OPSET,
            **options,
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the exporters: their results are checked here."""
    level = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


def _reason(error: BaseException) -> str:
    """The cause of an exporter's error, in one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    return in_short(f"{type(error).__name__}: {error}")
