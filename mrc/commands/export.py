"""`mrc export`: write a reader as ONNX."""

from dataclasses import dataclass

from mrc.config.flags import Config, flag, parse_args
from mrc.errors import InputError
from mrc.export.onnx import export_onnx
from mrc.metrics.scoring import SHORT_NAMES


@dataclass
class ExportConfig(Config):
    """Write a reader as ONNX, for programs that have onnxruntime and no PyTorch, and check it against PyTorch.

    Batch and length stay free. The folder also gets the tokenizer, mrc.json and export.json, which says what was found.
    With --data, the original and what was made of it are scored and timed on the same batches, side by side.
    """

    checkpoint: str = flag(
        None,
        "a run's folder (its best checkpoint is meant), a checkpoint's folder, or a Hugging Face "
        "question-answering model",
        group="what",
        positional=True,
    )
    out: str = flag(None, "folder to make", group="what", positional=True)
    to: str = flag("onnx", "format", group="what", choices=("onnx",))
    model_class: str | None = flag(
        None,
        "package.module:Class, where the checkpoint is of an nn.Module of your own",
        group="what",
    )
    trust_remote_code: bool = flag(
        False,
        "run the code that the model's repository brings; only for those that you trust",
        group="what",
    )
    allow_pickle: bool = flag(
        False, "read weights that are not safetensors; pickled files can run code", group="what"
    )
    int8: bool = flag(
        False,
        "also write the model with 8-bit weights (dynamic quantisation by onnxruntime): a quarter of the size, and "
        "other answers now and then; --data shows how many",
        group="what",
    )

    data: str | None = flag(
        None,
        "questions to compare the models on, in any form that train.py reads, or sample",
        group="comparison",
    )
    split: str | None = flag(
        None,
        "split of a hub data set or save_to_disk folder, or a slice of it; default: validation",
        group="comparison",
    )
    max_eval_examples: int | None = flag(
        None, "take the first N questions only", group="comparison", at_least=1
    )
    batch_size: int = flag(16, "windows per forward pass", group="comparison", at_least=1)

    def __post_init__(self):
        super().__post_init__()
        if self.split and self.data is None:
            raise InputError(f"--split {self.split} needs --data.")


def main(argv=None):
    config = parse_args(ExportConfig, argv, "export")
    print(as_text(export_onnx(config), config.out))


def as_text(report, out):
    """The report as a table for people, and the folder that was made."""
    names = {"pytorch": "PyTorch", "onnx": "ONNX", "int8": "ONNX int8"}
    scores = [
        (score, short, "{:.2f}")
        for score, short in SHORT_NAMES.items()
        if score in report["models"]["pytorch"]
    ]
    rows = [
        ("mb", "size (MB)", "{:.1f}"),
        ("windows_per_second", "windows/s", "{:.1f}"),
        *scores,
        ("answers_changed", "answers changed", "{}"),
        ("largest_difference", "largest difference of logits", "{:.1e}"),
    ]
    lines = [f"{'':<30}" + "".join(f"{names[model]:>12}" for model in report["models"])]
    for key, title, form in rows:
        cells = [
            form.format(found[key]) if key in found else "" for found in report["models"].values()
        ]
        lines += [f"{title:<30}" + "".join(f"{cell:>12}" for cell in cells)] if any(cells) else []
    about = (
        f"{report['questions']} questions of {report['data']}, {report['windows']} windows; scorer "
        f"{report['models']['pytorch']['scorer']}, batches of {report['batch_size']}, {report['threads']} threads\n\n"
        if "data" in report
        else ""
    )
    shapes = ", ".join(f"{batch} x {length}" for batch, length in report["checked"])
    table = "\n".join(lines)
    return (
        f"{about}{table}\n\nexporter  {report['exporter']}, opset {report['opset']}; inputs {', '.join(report['inputs'])}\n"
        f"checked   batch x length {shapes}; up to {report['tolerance']:g} is allowed in float32\nfolder    {out}"
    )
