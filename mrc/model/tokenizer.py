"""Tokenizers: loading a pretrained one, and training that of the built-in `tiny` encoder."""

from collections import Counter
from collections.abc import Iterable, Iterator
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
from transformers import AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast
from transformers.utils import logging as hf_logging

from mrc.errors import InputError, in_short

SPECIAL_TOKENS = {
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
}

# Weights in the form that Transformers wrote before safetensors.
PICKLED = "pytorch_model*.bin"


@contextmanager
def quiet_loading() -> Iterator[None]:
    """Silence transformers and the hub's client; what matters is said here, in one line."""
    verbosity = hf_logging.get_verbosity()
    hub_verbosity = hub_logging.get_verbosity()
    has_bars = hf_logging.is_progress_bar_enabled()
    hf_logging.set_verbosity_error()
    hub_logging.set_verbosity_error()
    hf_logging.disable_progress_bar()
    try:
        yield
    finally:
        hf_logging.set_verbosity(verbosity)
        hub_logging.set_verbosity(hub_verbosity)
        if has_bars:
            hf_logging.enable_progress_bar()


def load_tokenizer(
    name_or_path: str | Path, trust_remote_code: bool = False
) -> PreTrainedTokenizerBase:
    """Load the tokenizer of a hub id or a local folder.

    Args:
        name_or_path: the hub id or the folder.
        trust_remote_code: run the code that the tokenizer brings, if any.

    Raises:
        InputError: it cannot be loaded, or gives no character offsets.
    """
    try:
        with quiet_loading():
            tokenizer = AutoTokenizer.from_pretrained(
                name_or_path, trust_remote_code=trust_remote_code
            )
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        # The hub client, transformers, and tokenizers each raise their own kinds. A panic in the
        # Rust code of tokenizers is no Exception.
        raise loading_error(name_or_path, "tokenizer", error) from error
    if not isinstance(tokenizer.model_max_length, int | float):
        raise InputError(
            f"{name_or_path}: its tokenizer_config.json gives the model_max_length "
            f"{in_short(tokenizer.model_max_length)}, which is no number."
        )
    if not tokenizer.is_fast:
        raise InputError(
            f"{name_or_path}: its tokenizer is a slow (Python) one, which gives no character "
            "offsets; choose a model that has a tokenizer.json."
        )
    return tokenizer


def loading_error(name_or_path: str | Path, what: str, error: BaseException) -> InputError:
    """Return the InputError for a tokenizer or model that could not be loaded.

    Args:
        name_or_path: what was to be loaded.
        what: "tokenizer" or "model".
        error: what loading it raised.
    """
    reason = in_short(error)
    folder = Path(name_or_path)
    if is_path(name_or_path):
        return InputError(f"{name_or_path}: no such folder.")
    if "safetensors" in reason and (any(folder.glob(PICKLED)) or not folder.is_dir()):
        return InputError(
            f"{name_or_path}: its weights are pickled, and a pickle can run code when it is "
            "loaded; if you trust where they come from, allow it with --allow-pickle, or convert "
            f"them to safetensors. ({reason})"
        )
    if "custom code" in str(error) or "trust_remote_code" in str(error):
        return InputError(
            f"{name_or_path}: the {what} needs Python code from its repository; read the code, and "
            "allow it with --trust-remote-code."
        )
    if folder.is_dir():
        has_config = (folder / "config.json").exists()
        cause = reason if has_config else "it has no config.json."
        return InputError(
            f"{name_or_path}: this folder holds no {what} that can be loaded: {cause}"
        )
    return InputError(
        f"{name_or_path} is neither a local folder nor could its {what} be fetched from the "
        f"Hugging Face hub ({reason.removesuffix('.')}). Check the name and the connection, or "
        "train the built-in encoder: train.py --model tiny."
    )


def is_path(name: str | Path) -> bool:
    """Return whether a name can only be a folder, and one that does not exist.

    A hub id has one or two parts.
    """
    path = Path(name)
    if path.exists():
        return False
    looks_like_path = str(name).startswith((".", "/", "~"))
    is_checkpoint = path.parent.name == "checkpoints"
    return looks_like_path or is_checkpoint or len(path.parts) > 2


def train_tokenizer(
    texts: Iterable[str], vocab_size: int = 8000, min_frequency: int = 100
) -> PreTrainedTokenizerFast:
    """Learn a cased WordPiece vocabulary; the order of the texts does not matter.

    Texts are split as BERT splits them, with three exceptions: accents are kept (Vietnamese needs
    them), each digit is a piece, and each Hangul syllable is one (a Korean word carries its
    particles, and an answer must be able to end before them).

    Args:
        texts: questions and contexts, repeated as often as they occur.
        vocab_size: the most pieces; single characters come on top.
        min_frequency: how often a piece has to occur, so that its embedding is trained at all.
            Single characters are learned in any case.
    """
    normalizer = normalizers.BertNormalizer(lowercase=False, strip_accents=False)
    splitter = pre_tokenizers.Sequence(
        [
            pre_tokenizers.BertPreTokenizer(),
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.Split(Regex(r"\p{Hangul}"), "isolated"),
        ]
    )
    words = _count_words(texts, normalizer, splitter)
    vocabulary = _learn_pieces(words, vocab_size, min_frequency)
    core = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    core.normalizer = normalizer
    core.pre_tokenizer = splitter
    core.decoder = decoders.WordPiece()
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


def _count_words(
    texts: Iterable[str],
    normalizer: normalizers.Normalizer,
    splitter: pre_tokenizers.PreTokenizer,
) -> Counter[str]:
    """Return how often each word occurs."""
    words: Counter[str] = Counter()
    # Each distinct text is split once: a context is repeated for each of its questions.
    for text, times in Counter(texts).items():
        pieces = splitter.pre_tokenize_str(normalizer.normalize_str(text))
        in_text = Counter(word for word, _ in pieces)
        words.update({word: times * count for word, count in in_text.items()})
    return words


def _learn_pieces(words: Counter[str], vocab_size: int, min_frequency: int) -> dict[str, int]:
    """Return a WordPiece vocabulary, the same for the same words."""
    # The trainer numbers the pieces "##a" in the order of a hash map, and breaks ties by number. As
    # special tokens they are numbered beforehand. The tokenizer made of the vocabulary does not
    # know them as special.
    inner_characters = {"##" + character for word in words for character in word[1:]}
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocab_size,
        min_frequency=min_frequency,
        special_tokens=[*SPECIAL_TOKENS.values(), *sorted(inner_characters)],
        show_progress=False,
    )
    learner = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    learner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    repeated = (" ".join([word] * count) for word, count in words.items())
    learner.train_from_iterator(repeated, trainer)
    return learner.get_vocab()
