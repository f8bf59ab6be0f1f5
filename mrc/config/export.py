"""The settings of an export."""

from dataclasses import dataclass

from mrc.config import shared
from mrc.config.flags import Config, flag
from mrc.errors import InputError


@dataclass
class ExportConfig(Config):
    """Write a reader as ONNX, for programs that have onnxruntime but no PyTorch.

    The result is checked against PyTorch; batch size and length stay free. The folder also gets
    the tokenizer, mrc.json, and export.json with what was measured. With --data, the reader and
    its exports are scored and timed side by side on the same batches.
    """

    checkpoint: str = shared.checkpoint_flag("export")
    out: str = flag("", "folder to make", group="export", positional=True)
    to: str = flag("onnx", "format", group="export", choices=("onnx",))
    model_class: str | None = shared.model_class_flag("export")
    trust_remote_code: bool = shared.trust_remote_code_flag("export")
    allow_pickle: bool = shared.allow_pickle_flag("export")
    int8: bool = flag(
        False,
        "also write the model with 8-bit weights (dynamic quantization by onnxruntime): a quarter "
        "of the size, but some answers change; --data shows how many",
        group="export",
    )

    data: str | None = flag(
        None,
        f"compare the models on these questions: {shared.QUESTIONS}",
        group="comparison",
        metavar="FILE",
    )
    split: str | None = shared.split_flag("comparison")
    max_eval_examples: int | None = shared.max_eval_examples_flag("comparison")
    batch_size: int = flag(16, "windows per forward pass", group="comparison", at_least=1)

    def __post_init__(self) -> None:
        """Check the values. Raises InputError for settings that do not go together."""
        super().__post_init__()
        if self.split and self.data is None:
            raise InputError(f"--split {self.split} needs --data.")
