"""What the tests share: small data files, tokenizers of each family, small models."""

import json
import os
import threading
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

# Read when huggingface_hub is imported; no test asks the hub.
os.environ["HF_HUB_OFFLINE"] = "1"

import hypothesis
import numpy as np
import pytest
import torch
from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import BertConfig, BertForQuestionAnswering, BertModel, PreTrainedTokenizerFast

from mrc.__main__ import main
from mrc.config.serve import ServeConfig
from mrc.data.loading import load_examples
from mrc.data.sample import sample_examples
from mrc.errors import command_line
from mrc.features.dataset import FeatureDataset, WindowSettings
from mrc.model.tokenizer import train_tokenizer
from mrc.reader import AskSettings, Reader

# The models of the tests are small: more threads cost more than they bring.
torch.set_num_threads(1)
# How long an example takes says nothing where other work shares the machine.
hypothesis.settings.register_profile("shared machine", deadline=None)
hypothesis.settings.load_profile("shared machine")

DATA = Path(__file__).parent / "data"
# Real data sets, where they are at hand: MRC_DATA names their folder.
REAL = Path(os.environ.get("MRC_DATA") or Path(__file__).parents[2] / "shared" / "data")


def real_data(name):
    """The path of a real data set; skips the test, saying so, where there is none."""
    path = REAL / name
    if not path.exists():
        pytest.skip(f"{path} is absent; MRC_DATA names a folder of real data sets")
    return path


@pytest.fixture(scope="session")
def examples():
    return load_examples(DATA / "squad.json") + load_examples(DATA / "korquad.json")


@pytest.fixture(scope="session")
def texts(examples):
    sample = sample_examples("validation")
    return [text for e in [*examples, *sample] for text in (e.question, e.context)]


def wordpiece(texts, lowercase):
    core = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    core.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    core.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    core.train_from_iterator(
        texts,
        trainers.WordPieceTrainer(vocab_size=900, special_tokens=specials, show_progress=False),
    )
    core.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )


def byte_level(texts, add_prefix_space, trim_offsets):
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=700,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>"],
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    core.train_from_iterator(texts, trainer)
    core.post_processor = processors.RobertaProcessing(
        ("</s>", 2), ("<s>", 0), trim_offsets=trim_offsets, add_prefix_space=add_prefix_space
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        bos_token="<s>",
        eos_token="</s>",
        cls_token="<s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        model_input_names=["input_ids", "attention_mask"],
    )


def modern_bpe(texts):
    """ModernBERT's kind: byte-level BPE in BERT's template, no added space, no types."""
    core = Tokenizer(models.BPE())
    core.normalizer = normalizers.NFC()
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=True)
    core.decoder = decoders.ByteLevel()
    specials = ["[UNK]", "[CLS]", "[SEP]", "[PAD]"]
    core.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=700,
            special_tokens=specials,
            show_progress=False,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        ),
    )
    core.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B [SEP]",
        special_tokens=[("[CLS]", 1), ("[SEP]", 2)],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_input_names=["input_ids", "attention_mask"],
    )


def unigram(texts, template, padding_side="right", normalizer=None, **specials):
    core = Tokenizer(models.Unigram())
    core.normalizer = normalizer or normalizers.NFKC()
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]
    )
    names = ["<pad>", "<unk>", "<s>", "</s>"]
    trainer = trainers.UnigramTrainer(
        vocab_size=900, special_tokens=names, unk_token="<unk>", show_progress=False
    )
    core.train_from_iterator(texts, trainer)
    core.post_processor = processors.TemplateProcessing(
        **template, special_tokens=[("<s>", 2), ("</s>", 3)]
    )
    # XLM-R and T5 have no token types, XLNet does.
    types = ["token_type_ids"] if ":1" in template["pair"] else []
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token="<pad>",
        unk_token="<unk>",
        padding_side=padding_side,
        model_input_names=["input_ids", *types, "attention_mask"],
        **specials,
    )


FAMILIES = {
    "tiny": lambda texts: train_tokenizer(texts, min_frequency=20),
    "bert-cased": lambda texts: wordpiece(texts, lowercase=False),
    "bert-uncased": lambda texts: wordpiece(texts, lowercase=True),
    "roberta": lambda texts: byte_level(texts, add_prefix_space=False, trim_offsets=True),
    "roberta-prefix": lambda texts: byte_level(texts, add_prefix_space=True, trim_offsets=True),
    "roberta-untrimmed": lambda texts: byte_level(
        texts, add_prefix_space=False, trim_offsets=False
    ),
    "xlm-r": lambda texts: unigram(
        texts,
        {"single": "<s> $A </s>", "pair": "<s> $A </s> </s> $B </s>"},
        cls_token="<s>",
        sep_token="</s>",
    ),
    "albert": lambda texts: unigram(
        texts,
        {"single": "<s> $A </s>", "pair": "<s> $A </s> $B:1 </s>:1"},
        cls_token="<s>",
        sep_token="</s>",
        normalizer=normalizers.Sequence(
            [normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase()]
        ),
    ),
    "modernbert": modern_bpe,
    "t5": lambda texts: unigram(
        texts, {"single": "$A </s>", "pair": "$A </s> $B </s>"}, eos_token="</s>"
    ),
    "xlnet": lambda texts: unigram(
        texts,
        {"single": "$A </s> <s>:2", "pair": "$A </s> $B:1 </s>:1 <s>:2"},
        padding_side="left",
        cls_token="<s>",
        sep_token="</s>",
    ),
}


@pytest.fixture(scope="session")
def tokenizers(texts):
    """A small tokenizer of each family, by name."""
    return {name: make(texts) for name, make in FAMILIES.items()}


@pytest.fixture(scope="session", params=FAMILIES)
def tokenizer(request, tokenizers):
    return tokenizers[request.param]


@pytest.fixture(scope="session")
def bert(texts):
    """A tokenizer like BERT's, for tests that work with any: ours, the same in every run."""
    return train_tokenizer(texts, vocab_size=900, min_frequency=3)


@pytest.fixture(scope="session")
def encoder_folder(bert, tmp_path_factory):
    """A folder as the hub has them: a small BERT encoder without a head, and its tokenizer."""
    folder = tmp_path_factory.mktemp("encoder")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(bert),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=128,
    )
    BertModel(config).save_pretrained(folder)
    bert.save_pretrained(folder)
    return folder


@pytest.fixture
def write(tmp_path):
    """Write a text, or anything else as JSON, to a file; returns its path."""

    def write(content, name="data.json"):
        path = tmp_path / name
        path.write_text(
            content if isinstance(content, str) else json.dumps(content, ensure_ascii=False),
            encoding="utf-8",
        )
        return path

    return write


def plain_wordpiece(texts):
    """BERT's tokenizer with all characters and the 800 most frequent words as its vocabulary.

    It is the same in every run; a vocabulary that the trainer of `tokenizers` learns is not.
    """
    normalizer = normalizers.BertNormalizer(lowercase=False)
    splitter = pre_tokenizers.BertPreTokenizer()
    words = Counter(
        word
        for text in texts
        for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(text))
    )
    characters = sorted({character for word in words for character in word})
    frequent = sorted(
        (word for word in words if len(word) > 1), key=lambda word: (-words[word], word)
    )[:800]
    vocabulary = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        *characters,
        *("##" + character for character in characters),
        *frequent,
    ]
    core = Tokenizer(
        models.WordPiece({piece: n for n, piece in enumerate(vocabulary)}, unk_token="[UNK]")
    )
    core.normalizer = normalizer
    core.pre_tokenizer = splitter
    core.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )


@pytest.fixture(scope="session")
def taught():
    """What `reader_folder` has learned by heart: four languages, some questions without answer."""
    files = [
        example
        for name in ("squad", "korquad", "squad_v2")
        for example in load_examples(DATA / f"{name}.json")
    ]
    sample = [
        e
        for language in ("ko", "en", "vi", "ru")
        for e in sample_examples("validation", (language,), unanswerable=True)[:8]
    ]
    return files + sample


@pytest.fixture(scope="session")
def reader_folder(taught, texts, tmp_path_factory):
    """A Hugging Face question-answering checkpoint: a small BERT, trained on our windows."""
    folder = tmp_path_factory.mktemp("reader")
    tokenizer = plain_wordpiece(texts)
    torch.manual_seed(0)
    model = BertForQuestionAnswering(
        BertConfig(
            vocab_size=len(tokenizer),
            hidden_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=128,
            hidden_dropout_prob=0,
            attention_probs_dropout_prob=0,
        )
    )
    dataset = FeatureDataset(taught, tokenizer, WindowSettings(max_length=384, stride=64))
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for step in range(150):
        indices = np.random.default_rng(step).permutation(len(dataset))[:16]
        optimizer.zero_grad()
        model(
            **{name: torch.from_numpy(array) for name, array in dataset.batch(indices).items()}
        ).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def reader(reader_folder):
    return Reader.from_pretrained(reader_folder, device="cpu")


@contextmanager
def serving(reader, **limits):
    """A server of a reader on a free port of this machine; gives its address and the server."""
    pytest.importorskip("fastapi", reason='needs pip install -e ".[serve]"')
    pytest.importorskip("uvicorn", reason='needs pip install -e ".[serve]"')
    pytest.importorskip("prometheus_client", reason='needs pip install -e ".[serve]"')
    from mrc.commands.server.access_log import open_access_log
    from mrc.commands.server.app import make_app
    from mrc.commands.server.keys import read_key
    from mrc.commands.server.listener import make_server

    config = ServeConfig(checkpoint="reader", port=0, **limits)
    app = make_app(
        reader,
        AskSettings(max_answer_len=30),
        config,
        key=read_key(config),
        log=open_access_log(config),
    )
    server = make_server(app, config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started and thread.is_alive():
            time.sleep(0.01)
        yield f"http://127.0.0.1:{server.port}", server
    finally:
        server.should_exit = True
        thread.join(30)
    assert not thread.is_alive(), "the server does not end"


def fails(argv, capsys):
    """Run an `mrc` command that is refused; return its one line on standard error."""
    with pytest.raises(SystemExit) as raised, command_line("mrc"):
        main([str(a) for a in argv])
    error = capsys.readouterr().err
    assert raised.value.code == 2
    assert error.startswith("mrc: error: ")
    assert error.count("\n") == 1
    return error
