"""Tokenizers: loading a pretrained one, and learning the vocabulary of the built-in `tiny` encoder."""

from collections import Counter
from contextlib import contextmanager
from pathlib import Path

from huggingface_hub.utils import logging as hub_logging
from tokenizers import (
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import AutoTokenizer, PreTrainedTokenizerFast
from transformers.utils import logging as hf_logging

from mrc.errors import InputError, in_short

SPECIAL_TOKENS = {
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
}


@contextmanager
def quiet_loading():
    """Keep transformers and the hub's client from printing reports and retries: what matters is said here, in one line."""
    verbosity, hub_verbosity, bars = (
        hf_logging.get_verbosity(),
        hub_logging.get_verbosity(),
        hf_logging.is_progress_bar_enabled(),
    )
    hf_logging.set_verbosity_error()
    hub_logging.set_verbosity_error()
    hf_logging.disable_progress_bar()
    try:
        yield
    finally:
        hf_logging.set_verbosity(verbosity)
        hub_logging.set_verbosity(hub_verbosity)
        if bars:
            hf_logging.enable_progress_bar()


def load_tokenizer(name_or_path, trust_remote_code=False):
    """Load the tokenizer of a hub id or a local folder. Raises InputError if it cannot be had or is no fast one.

    trust_remote_code: run the code that it brings, where it brings any.
    """
    try:
        with quiet_loading():
            tokenizer = AutoTokenizer.from_pretrained(
                name_or_path, trust_remote_code=trust_remote_code
            )
    except (
        Exception
    ) as error:  # the hub client, transformers and tokenizers each raise their own kinds
        raise loading_error(name_or_path, "tokenizer", error) from error
    if not tokenizer.is_fast:
        raise InputError(
            f"{name_or_path}: its tokenizer is a slow (Python) one, which gives no character offsets; "
            "choose a model that has a tokenizer.json."
        )
    return tokenizer


def loading_error(name_or_path, what, error):
    """The InputError for a tokenizer or model that could not be loaded: what failed, and what to do about it."""
    reason = in_short(error)
    if is_path(name_or_path):
        return InputError(f"{name_or_path}: no such folder.")
    if "safetensors" in reason:
        return InputError(
            f"{name_or_path}: no weights in safetensors, and pickled ones are not loaded, as they can run code: "
            f"convert them. ({reason})"
        )
    if Path(name_or_path).is_dir() and not (Path(name_or_path) / "config.json").exists():
        return InputError(
            f"{name_or_path}: this folder holds no {what} that can be loaded: it has no config.json."
        )
    if Path(name_or_path).is_dir():
        return InputError(
            f"{name_or_path}: this folder holds no {what} that can be loaded: {reason}"
        )
    return InputError(
        f"{name_or_path}: the {what} is no local folder and could not be fetched from the Hugging Face hub: check the "
        f"name and the connection, or give a local folder (or train the built-in one: train.py --model tiny). ({reason})"
    )


def is_path(name):
    """Whether a name can only be meant as a folder that is not there, and not as a hub id (of one or two parts)."""
    path = Path(name)
    return not path.exists() and (
        str(name).startswith((".", "/", "~"))
        or len(path.parts) > 2
        or path.parent.name == "checkpoints"
    )


def train_tokenizer(texts, vocab_size=8000, min_frequency=100):
    """Learn a cased WordPiece vocabulary from an iterable of texts: the same for the same texts, whatever their order.

    The pieces of BERT, save that accents are kept (Vietnamese needs them), that each digit is a piece, and that each
    Hangul syllable is one: a Korean word carries its particles, and an answer must be able to end before them. A piece
    is learned if it occurs `min_frequency` times, since the embedding of a rarer one would stay as random as it began;
    single characters are learned in any case.
    """
    normalizer = normalizers.BertNormalizer(lowercase=False, strip_accents=False)
    splitter = pre_tokenizers.Sequence(
        [
            pre_tokenizers.BertPreTokenizer(),
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.Split(Regex(r"\p{Hangul}"), "isolated"),
        ]
    )
    words = Counter()
    for text, times in Counter(texts).items():  # contexts come once a question
        in_text = Counter(
            word for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(text))
        )
        words.update({word: times * count for word, count in in_text.items()})

    # The trainer numbers the pieces "##a" as it meets them, in the order of a hash map, and breaks ties by these numbers. Given
    # them beforehand, it learns the same each time; "special" they are only here, and not in the tokenizer made of the result.
    specials = list(SPECIAL_TOKENS.values())
    inner = sorted({"##" + character for word in words for character in word[1:]})
    learner = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    learner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocab_size,
        min_frequency=min_frequency,
        special_tokens=specials + inner,
        show_progress=False,
    )
    learner.train_from_iterator(
        (" ".join([word] * count) for word, count in words.items()), trainer
    )

    core = Tokenizer(models.WordPiece(learner.get_vocab(), unk_token="[UNK]"))
    core.normalizer, core.pre_tokenizer, core.decoder = normalizer, splitter, decoders.WordPiece()
    core.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(token, core.token_to_id(token)) for token in ("[CLS]", "[SEP]")],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
        model_max_length=512,
        **SPECIAL_TOKENS,
    )
