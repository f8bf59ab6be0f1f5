"""The model card: a checkpoint's README.md, which says to people and to the Hugging Face hub what the checkpoint is."""

from pathlib import Path

from huggingface_hub import EvalResult, ModelCardData
from huggingface_hub.utils import HFValidationError, validate_repo_id

from mrc.config.train import TrainConfig
from mrc.data.formats import is_hub_id
from mrc.data.sample import LANGUAGES, is_sample
from mrc.metrics.scoring import SHORT_NAMES
from mrc.model.tokenizer import is_path

TASK = "question-answering"


# What a reader of the card looks for first; only those that the run knows are listed, all are in mrc.json.
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


# Listed where they are not as by default.
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


INSTEAD = {
    "max_tokens_per_batch": "batch_size",
    "warmup_steps": "warmup_ratio",
    "max_steps": "epochs",
}  # what the first makes void


KOREAN_SCORERS = ("korquad", "klue")


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
"""


def card_text(model, tokenizer, settings):
    """The text of a checkpoint's README.md: YAML for the hub, then how to load it, what it scored and how it was trained.

    model: as saved, so that its config says which class loads it; settings: the dict that goes into mrc.json, of which
    nothing is required. Only what the settings say is stated, and files are named without their folders.
    """
    config, scores = settings.get("config") or {}, settings.get("scores") or {}
    base, data = config.get("model"), config.get("train_file") or config.get("data")
    name = " on ".join(_short(part) for part in (base, data) if part) or "An extractive reader"
    scored_on, scorer = _scored_on(config), settings.get("scorer") or config.get("scorer", "auto")
    in_transformers = _loads_in_transformers(model)
    data_ids = sorted(
        {
            source.partition(":")[0]
            for source in (data, scored_on)
            if source and not is_sample(source) and is_hub_id(source)
        }
    )
    header = ModelCardData(
        pipeline_tag=TASK,
        library_name="transformers" if in_transformers else None,
        tags=["extractive-qa", "mrc"],
        base_model=base if base and _is_hub_model(base) else None,
        datasets=data_ids or None,
        language=_languages(data, scorer) or None,
        model_name=name,
        eval_results=_results(scores, scored_on) or None,
    )
    sections = [
        f"---\n{header.to_yaml()}\n---\n\n# {name}\n",
        _about(model, tokenizer, base, data, settings),
        _loading(model, in_transformers, config),
        _scores(scores, scored_on, scorer),
        _settings(config, settings),
    ]
    return "\n".join(filter(None, sections))


def _results(scores, scored_on):
    """The scores as the hub's index of models takes them: [EvalResult]."""
    if not scored_on:
        return []
    where = {"dataset_name": _short(scored_on), "dataset_type": _short(scored_on)}
    if is_hub_id(scored_on) and not is_sample(scored_on):
        where["dataset_type"], _, configuration = scored_on.partition(":")
        where["dataset_config"] = configuration or None
    return [
        EvalResult(
            TASK,
            metric_type="exact_match" if short == "EM" else score,
            metric_name=short,
            metric_value=round(scores[score], 2),
            **where,
        )
        for score, short in SHORT_NAMES.items()
        if score in scores
    ]


def _about(model, tokenizer, base, data, settings):
    start = "from random weights" if base == "tiny" else f"from `{_short(base)}`" if base else ""
    trained = f", trained {start}" + (f" on `{_short(data)}`" if data else "") if start else ""
    threshold = settings.get("null_threshold", 0.0)
    parameters = sum(
        parameter.numel() for name, parameter in model.named_parameters() if ".lora_" not in name
    )  # those are merged
    null = (
        f" It may also give no answer: where the null score exceeds the best span's by more than {threshold:.4g}."
        if settings.get("allows_no_answer")
        else ""
    )
    return (
        "An extractive question-answering reader: given a question and a context, it marks the span of the context that answers"
        f"{trained}. It has {parameters / 1e6:.1f}M parameters and a vocabulary of {len(tokenizer)} tokens.{null}\n"
    )


def _loading(model, in_transformers, config):
    own = config.get("model_class")
    flag, argument = (f" --model-class {own}", f', model_class="{own}"') if own else ("", "")
    needed = (
        f"The class `{own}` must be at hand: it is code, and not part of the checkpoint.\n\n"
        if own
        else ""
    )
    here = (
        f"## Use\n\n{needed}With `mrc`, from a folder (`hf download REPO --local-dir FOLDER` fetches a repository of the hub into one):\n\n"
        f"```sh\npython evaluate.py --checkpoint FOLDER --data questions.json{flag}\n```\n\n"
        "```python\nfrom mrc.checkpoint import load_checkpoint\n\n"
        f'model, tokenizer, settings = load_checkpoint("."{argument})  # this folder\n```\n'
    )
    if in_transformers:
        longest = config.get("max_answer_length", 30)
        return here + (
            TRANSFORMERS.replace("MAX_LENGTH", str(config.get("max_length", 384)))
            .replace("LONGEST - 1", str(longest - 1))
            .replace("LONGEST", str(longest))
        )
    why = (
        "It was trained on inputs in which tokens that context and question share are marked, which only `mrc` makes"
        if getattr(model, "marks_exact_match", False)
        else "Transformers has no class for its architecture"
    )
    return here + f"\n{why}: `AutoModelForQuestionAnswering` does not give its answers.\n"


def _scores(scores, scored_on, scorer):
    rows = [
        (short, f"{scores[score]:.2f}") for score, short in SHORT_NAMES.items() if score in scores
    ]
    if not rows:
        return ""
    rows += [("questions", scores["total"])] if "total" in scores else []
    rows += [("scorer", f"`{scorer}`" + (" (chosen by the data)" if scorer == "auto" else ""))]
    where = f"On `{_short(scored_on)}`:\n\n" if scored_on else ""
    return f"## Scores\n\n{where}{_table(rows)}"


def _settings(config, settings):
    defaults = TrainConfig(model="pretrained").to_dict()
    void = {other for name, other in INSTEAD.items() if config.get(name) is not None}
    names = [name for name in MAIN_SETTINGS if name not in void]
    names += [name for name in OTHER_SETTINGS if config.get(name) != defaults[name]]
    rows = [(f"`{name}`", config[name]) for name in names if config.get(name) is not None]
    rows += [(name, settings[name]) for name in ("epoch", "step") if name in settings]
    return f"## Settings\n\n{_table(rows)}" if rows else ""


def _table(rows):
    return "| | |\n|---|---|\n" + "".join(f"| {name} | {value} |\n" for name, value in rows)


def _loads_in_transformers(model):
    """Whether AutoModelForQuestionAnswering gives this model's answers: it knows the class, and its tokenizer makes the inputs."""
    has_class = getattr(model, "transformers_class", None) is not None
    return has_class and not getattr(model, "marks_exact_match", False)


def _is_hub_model(name):
    """Whether a model's name is a hub id, and no folder."""
    try:
        validate_repo_id(name)
    except HFValidationError:
        return False
    return name != "tiny" and not Path(name).exists() and not is_path(name)


def _scored_on(config):
    """The data that the scores are of; None where the settings do not say."""
    if config.get("validation_file") or not config.get("train_file"):
        return config.get("validation_file") or config.get("data")
    return config["train_file"] if config.get("validation_fraction") else None


def _languages(data, scorer):
    """Codes of the languages, as far as the data or the scorer stand for some."""
    if data and is_sample(data):
        named = [part.split(",") for part in data.split(":")[1:] if part != "unanswerable"]
        return named[0] if named else list(LANGUAGES)
    if scorer in KOREAN_SCORERS:
        return ["ko"]
    return [scorer.removeprefix("mlqa-")] if scorer.startswith("mlqa-") else []


def _short(source):
    """A model's or a data set's name for everyone: a hub id as it is, a file or a folder without the folders that hold it."""
    is_local = (
        Path(source).exists() or source.startswith(("/", ".", "~")) or len(Path(source).parts) > 2
    )
    return Path(source).name if is_local else source
