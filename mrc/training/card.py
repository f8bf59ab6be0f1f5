"""The model card: what a checkpoint's README.md says to people and to the Hugging Face hub."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCardData

from mrc.config.hub import is_repo_name
from mrc.config.train import TrainConfig
from mrc.data.formats import is_hub_id
from mrc.data.loading import IN_MEMORY
from mrc.data.sample import LANGUAGES, is_sample
from mrc.metrics.scoring import SHORT_NAMES
from mrc.model.tokenizer import is_path

TASK = "question-answering"
# What a reader of the card looks for first. Only what the run says is listed; mrc.json has it all.
MAIN_SETTINGS = (
    "max_length",
    "stride",
    "max_question_length",
    "model_class",
    "head",
    "lora_rank",
    "dropout",
    "attention_dropout",
    "epochs",
    "max_steps",
    "batch_size",
    "gradient_accumulation_steps",
    "learning_rate",
    "warmup_ratio",
    "weight_decay",
    "max_grad_norm",
    "precision",
    "seed",
)
# Listed where they differ from the default.
OTHER_SETTINGS = (
    "max_tokens_per_batch",
    "schedule",
    "warmup_steps",
    "layer_decay",
    "freeze_layers",
    "label_smoothing",
    "ema_decay",
    "mask_question",
    "eval_every",
    "patience",
)
# The setting on the left, where it is given, makes the one on the right void.
INSTEAD = {
    "max_tokens_per_batch": "batch_size",
    "warmup_steps": "warmup_ratio",
    "max_steps": "epochs",
}
KOREAN_SCORERS = ("korquad", "klue")

USE = """## Use

{needed}With `mrc` (`pip install mrc-reader`), from this folder, which
`hf download REPO --local-dir FOLDER` fetches from the hub:

```sh
mrc evaluate --checkpoint FOLDER --data questions.json{flag}
```

```python
from mrc.checkpoint import load_checkpoint

model, tokenizer, settings = load_checkpoint("."{argument})  # this folder
```
"""

TRANSFORMERS = """
With [Transformers](https://github.com/huggingface/transformers):

```python
import torch
from transformers import AutoModelForQuestionAnswering, AutoTokenizer

folder = "."  # this folder, or the name of its repository on the hub
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForQuestionAnswering.from_pretrained(folder).eval()

question, context = "When was the mill built?", "The mill was built in 1784 by Eli Crane."
inputs = tokenizer(question, context, truncation="only_second", max_length=MAX_LENGTH, return_tensors="pt")
with torch.inference_mode():
    output = model(**inputs)
in_context = torch.tensor([part == 1 for part in inputs.sequence_ids()])
is_span = torch.outer(in_context, in_context).triu().tril(LONGEST - 1)  # at most LONGEST tokens
scores = output.start_logits[0][:, None] + output.end_logits[0]
start, end = divmod(scores.masked_fill(~is_span, -torch.inf).argmax().item(), len(in_context))
print(context[inputs.token_to_chars(start).start : inputs.token_to_chars(end).end])
```

This looks at one window; a longer context needs several, which `mrc` makes.
"""  # noqa: E501


def card_text(model: Any, tokenizer: Any, settings: dict[str, Any]) -> str:
    """Return the text of a checkpoint's README.md: what it is, how to load it, what it scored.

    Only what the settings say is stated, and files are named without their folders.

    Args:
        model: the checkpoint's.
        tokenizer: the checkpoint's.
        settings: what goes into mrc.json; none of it is required.
    """
    config = settings.get("config") or {}
    model_name, data = config.get("model"), config.get("train_file") or config.get("data")
    name = " on ".join(short_name(part) for part in (model_name, data) if part)
    name = name or "An extractive reader"
    header = front_matter(model, name, settings)
    sections = [
        f"---\n{header.to_yaml()}\n---\n\n# {name}\n",
        about(model, tokenizer, settings),
        how_to_use(model, config),
        scores_section(settings),
        settings_section(settings),
    ]
    return "\n".join(section for section in sections if section)


def front_matter(model: Any, name: str, settings: dict[str, Any]) -> ModelCardData:
    """Return what the hub reads: task, libraries, languages, data, scores."""
    config = settings.get("config") or {}
    base, data = config.get("model"), config.get("train_file") or config.get("data")
    scored_on = scored_data(config)
    sources = [source for source in (data, scored_on) if source and is_hub_data(source)]
    data_ids = sorted({source.partition(":")[0] for source in sources})
    return ModelCardData(
        pipeline_tag=TASK,
        library_name="transformers" if loads_in_transformers(model) else None,
        tags=["extractive-qa", "mrc"],
        base_model=base if base and is_hub_model(base) else None,
        datasets=data_ids or None,
        language=languages(data, scorer_of(settings)) or None,
        model_name=name,
        eval_results=eval_results(config, settings.get("scores") or {}) or None,
    )


def eval_results(config: dict[str, Any], scores: dict[str, Any]) -> list[EvalResult]:
    """Return the scores in the form of the hub's index."""
    scored_on = scored_data(config)
    if not scored_on:
        return []
    name = short_name(scored_on)
    where: dict[str, Any] = {"dataset_name": f"{held_out(config)}{name}", "dataset_type": name}
    if is_hub_data(scored_on):
        where["dataset_type"], _, configuration = scored_on.partition(":")
        where["dataset_config"] = configuration or None
    results = []
    for score, name in SHORT_NAMES.items():
        if score in scores:
            metric = "exact_match" if name == "EM" else score
            value = round(scores[score], 2)
            results.append(
                EvalResult(TASK, metric_type=metric, metric_name=name, metric_value=value, **where)
            )
    return results


def about(model: Any, tokenizer: Any, settings: dict[str, Any]) -> str:
    """Return a paragraph on what the reader is."""
    config = settings.get("config") or {}
    base, data = config.get("model"), config.get("train_file") or config.get("data")
    trained = ""
    if base:
        start = "from random weights" if base == "tiny" else f"from `{short_name(base)}`"
        trained = f", trained {start}" + (f" on `{short_name(data)}`" if data else "")
    # Adapters are merged when the model is saved.
    named = model.named_parameters()
    parameters = sum(parameter.numel() for name, parameter in named if ".lora_" not in name)
    no_answer = ""
    if settings.get("allows_no_answer"):
        threshold = settings.get("null_threshold", 0.0)
        no_answer = (
            " It may also give no answer: where the null score exceeds the best span's by more "
            f"than {threshold:.4g}."
        )
    return (
        "An extractive question-answering reader: given a question and a context, it marks the "
        f"span of the context that answers{trained}. It has {parameters / 1e6:.1f}M parameters "
        f"and a vocabulary of {len(tokenizer)} tokens.{no_answer}\n"
    )


def how_to_use(model: Any, config: dict[str, Any]) -> str:
    """Return the section on loading the reader, here and with Transformers."""
    own_class = config.get("model_class")
    needed = flag = argument = ""
    if own_class:
        needed = (
            f"The class `{own_class}` must be importable: it is code, and not part of the "
            "checkpoint.\n\n"
        )
        flag = f" --model-class {own_class}"
        argument = f', model_class="{own_class}"'
    text = USE.format(needed=needed, flag=flag, argument=argument)
    if loads_in_transformers(model):
        longest = config.get("max_answer_length", 30)
        snippet = TRANSFORMERS.replace("MAX_LENGTH", str(config.get("max_length", 384)))
        snippet = snippet.replace("LONGEST - 1", str(longest - 1))
        return text + snippet.replace("LONGEST", str(longest))
    why = "Transformers has no class for its architecture"
    if getattr(model, "marks_exact_match", False):
        why = (
            "It was trained on inputs in which tokens that context and question share are marked, "
            "which only `mrc` makes"
        )
    return text + f"\n{why}: `AutoModelForQuestionAnswering` does not give its answers.\n"


def scores_section(settings: dict[str, Any]) -> str:
    """Return the section on the scores, an empty text if there are none."""
    scores = settings.get("scores") or {}
    rows: list[tuple[str, object]] = []
    for score, name in SHORT_NAMES.items():
        if score in scores:
            rows.append((name, f"{scores[score]:.2f}"))
    if not rows:
        return ""
    if "total" in scores:
        rows.append(("questions", scores["total"]))
    scorer = scorer_of(settings)
    chosen = " (chosen by the data)" if scorer == "auto" else ""
    rows.append(("scorer", f"`{scorer}`{chosen}"))
    config = settings.get("config") or {}
    scored_on = scored_data(config)
    where = f"On {held_out(config)}`{short_name(scored_on)}`:\n\n" if scored_on else ""
    return f"## Scores\n\n{where}{table(rows)}"


def settings_section(settings: dict[str, Any]) -> str:
    """Return the section on how the reader was trained, an empty text if nothing is known."""
    config = settings.get("config") or {}
    defaults = TrainConfig(model="pretrained").to_dict()
    void = {other for name, other in INSTEAD.items() if config.get(name) is not None}
    names = [name for name in MAIN_SETTINGS if name not in void]
    names += [name for name in OTHER_SETTINGS if config.get(name) != defaults[name]]
    rows = [(f"`{name}`", config[name]) for name in names if config.get(name) is not None]
    rows += [(name, settings[name]) for name in ("epoch", "step") if name in settings]
    return f"## Settings\n\n{table(rows)}" if rows else ""


def table(rows: Iterable[tuple[str, object]]) -> str:
    """Return a Markdown table of two columns."""
    return "| | |\n|---|---|\n" + "".join(f"| {name} | {value} |\n" for name, value in rows)


def scorer_of(settings: dict[str, Any]) -> str:
    """Return the name of the scorer that gave the scores."""
    return settings.get("scorer") or (settings.get("config") or {}).get("scorer", "auto")


def loads_in_transformers(model: Any) -> bool:
    """Whether AutoModelForQuestionAnswering gives this model's answers.

    It must know the class, and its tokenizer must make the inputs.
    """
    has_class = getattr(model, "transformers_class", None) is not None
    return has_class and not getattr(model, "marks_exact_match", False)


def is_hub_model(name: str) -> bool:
    """Whether a model's name is a hub id, and no folder."""
    is_local = name == "tiny" or is_path(name) or Path(name).exists()
    return is_repo_name(name) and not is_local


def is_hub_data(source: str) -> bool:
    """Whether the name of data is a hub id."""
    return is_hub_id(source) and not is_sample(source) and not source.startswith(IN_MEMORY)


def scored_data(config: dict[str, Any]) -> str | None:
    """Return the data that the scores are of, None if the settings do not say."""
    if config.get("validation_file") or not config.get("train_file"):
        return config.get("validation_file") or config.get("data")
    return config["train_file"] if config.get("validation_fraction") else None


def held_out(config: dict[str, Any]) -> str:
    """Return "held-out 15 % of " where the scores are of a part of the training file, else ""."""
    fraction = config.get("validation_fraction")
    return f"held-out {100 * fraction:g} % of " if fraction else ""


def languages(data: str | None, scorer: str) -> list[str]:
    """Return codes of the languages, as far as the data or the scorer tell."""
    if data and is_sample(data):
        parts = [part.split(",") for part in data.split(":")[1:] if part != "unanswerable"]
        return parts[0] if parts else list(LANGUAGES)
    if scorer in KOREAN_SCORERS:
        return ["ko"]
    return [scorer.removeprefix("mlqa-")] if scorer.startswith("mlqa-") else []


def short_name(source: str) -> str:
    """Return the name of a model or of data without local paths."""
    if source.startswith(IN_MEMORY):
        return "data in memory"
    path = Path(source)
    is_local = path.exists() or source.startswith(("/", ".", "~")) or len(path.parts) > 2
    return path.name if is_local else source
