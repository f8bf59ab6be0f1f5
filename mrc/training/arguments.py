"""The arguments of a Trainer: what stands in the wrong place, or has another name."""

from collections.abc import Collection
from typing import Any

from transformers import PreTrainedTokenizerBase

from mrc.config.flags import settings_of
from mrc.config.train import TrainingSettings
from mrc.errors import expect
from mrc.features.dataset import expect_features

ORDER = "Trainer(model, tokenizer, train_set, eval_set, settings)"


def check_arguments(
    tokenizer: Any, train_set: Any, eval_set: Any, settings: Any, unknown: Collection[str]
) -> None:
    """Raise InputError for an argument of another type, and TypeError for one that is not known.

    unknown: the names that were given and are none of the Trainer's.
    """
    for name in unknown:
        is_setting = name in settings_of(TrainingSettings)
        advice = f"give it in settings=TrainingSettings({name}=...)" if is_setting else ORDER
        raise TypeError(f"Trainer takes no argument '{name}'; {advice}")
    expect(
        tokenizer,
        PreTrainedTokenizerBase,
        "Trainer: tokenizer",
        f"the Hugging Face tokenizer, as in {ORDER}",
    )
    if isinstance(eval_set, TrainingSettings):
        expect(eval_set, type(None), "Trainer: eval_set", "the settings by name: settings=...")
    for name, dataset in (("train_set", train_set), ("eval_set", eval_set)):
        if dataset is not None:
            expect_features(dataset, f"Trainer: {name}")
    if settings is not None:
        expect(settings, TrainingSettings, "Trainer: settings", "TrainingSettings(epochs=...)")
