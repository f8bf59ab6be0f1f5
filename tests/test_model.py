"""The model is an encoder, dropout and a linear layer; its folders are Hugging Face's."""

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import (
    AutoModelForQuestionAnswering,
    BertConfig,
    BertForQuestionAnswering,
    DistilBertConfig,
    DistilBertModel,
    PretrainedConfig,
    RobertaConfig,
    RobertaModel,
    T5Config,
    T5EncoderModel,
    T5Model,
    XLNetConfig,
    XLNetModel,
)

from mrc.errors import InputError
from mrc.model.baseline import BaselineModel

IDS = torch.tensor([[2, 9, 8, 3, 7, 11, 12, 3], [2, 9, 3, 7, 11, 3, 0, 0]])
MASK = (IDS != 0).long()
TYPES = torch.tensor([[0, 0, 0, 0, 1, 1, 1, 1], [0, 0, 0, 1, 1, 1, 0, 0]])


def test_forward_is_what_it_says(encoder_folder):
    model = BaselineModel.from_pretrained(encoder_folder).eval()
    start, end = model(IDS, MASK, TYPES)
    states = model.encoder(
        input_ids=IDS, attention_mask=MASK, token_type_ids=TYPES
    ).last_hidden_state
    logits = states @ model.head.weight.T + model.head.bias
    assert start.shape == end.shape == IDS.shape
    torch.testing.assert_close(torch.stack([start, end], -1), logits)


def test_token_types_matter_where_the_encoder_has_them(encoder_folder):
    model = BaselineModel.from_pretrained(encoder_folder).eval()
    assert model.takes_token_types
    assert not model.marks_exact_match
    assert not torch.allclose(model(IDS, MASK, TYPES)[0], model(IDS, MASK)[0])


@pytest.mark.parametrize(
    ("config", "encoder_class"),
    [
        (
            RobertaConfig(
                vocab_size=50,
                hidden_size=16,
                num_hidden_layers=1,
                num_attention_heads=2,
                intermediate_size=16,
                max_position_embeddings=66,
                type_vocab_size=1,
            ),
            RobertaModel,
        ),
        (
            DistilBertConfig(
                vocab_size=50,
                dim=16,
                n_layers=1,
                n_heads=2,
                hidden_dim=16,
                max_position_embeddings=64,
            ),
            DistilBertModel,
        ),
    ],
)
def test_token_types_are_kept_from_encoders_without(config, encoder_class):
    model = BaselineModel(encoder_class(config)).eval()
    assert torch.equal(model(IDS, MASK, TYPES)[0], model(IDS, MASK)[0])
    assert model.max_length == 64


def test_a_checkpoint_is_a_hugging_face_checkpoint(encoder_folder, tmp_path):
    model = BaselineModel.from_pretrained(encoder_folder).eval()
    assert model.head_is_new
    model.save_pretrained(tmp_path)
    theirs = AutoModelForQuestionAnswering.from_pretrained(tmp_path).eval()
    assert type(theirs) is BertForQuestionAnswering
    out = theirs(input_ids=IDS, attention_mask=MASK, token_type_ids=TYPES)
    start, end = model(IDS, MASK, TYPES)
    torch.testing.assert_close(start, out.start_logits, atol=1e-5, rtol=0)
    torch.testing.assert_close(end, out.end_logits, atol=1e-5, rtol=0)

    again = BaselineModel.from_pretrained(tmp_path).eval()
    assert not again.head_is_new
    assert torch.equal(again(IDS, MASK, TYPES)[0], start)


def test_a_hugging_face_checkpoint_keeps_its_head(tmp_path):
    config = BertConfig(
        vocab_size=50,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
    )
    theirs = BertForQuestionAnswering(config).eval()
    theirs.save_pretrained(tmp_path)
    model = BaselineModel.from_pretrained(tmp_path).eval()
    assert not model.head_is_new
    torch.testing.assert_close(model(IDS, MASK, TYPES)[1], theirs(IDS, MASK, TYPES).end_logits)


def test_an_encoder_decoder_gives_its_encoder(tmp_path):
    config = T5Config(vocab_size=50, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2)
    T5Model(config).save_pretrained(tmp_path / "t5")
    model = BaselineModel.from_pretrained(tmp_path / "t5").eval()
    assert not any("decoder" in name for name, _ in model.named_parameters())
    assert model.max_length is None
    expected = (
        T5EncoderModel.from_pretrained(tmp_path / "t5")
        .eval()(input_ids=IDS, attention_mask=MASK)
        .last_hidden_state
    )
    torch.testing.assert_close(
        model.encoder(input_ids=IDS, attention_mask=MASK).last_hidden_state, expected
    )

    (tmp_path / "saved").mkdir()
    model.save_pretrained(tmp_path / "saved")
    again = BaselineModel.from_pretrained(tmp_path / "saved").eval()
    assert not again.head_is_new
    assert torch.equal(again(IDS, MASK)[0], model(IDS, MASK)[0])


def test_dropouts_are_set_where_the_config_has_them(encoder_folder):
    model = BaselineModel.from_pretrained(encoder_folder, dropout=0.3, attention_dropout=0.0)
    assert {m.p for m in model.modules() if isinstance(m, nn.Dropout)} == {0.3, 0.0}
    assert model.encoder.config.attention_probs_dropout_prob == 0.0
    assert model.dropout.p == 0.3


def test_weights_are_float32_whatever_the_file_holds(encoder_folder, tmp_path, bert):
    model = BaselineModel.from_pretrained(encoder_folder)
    model.save_pretrained(tmp_path)
    save_file(
        {k: v.half() for k, v in load_file(tmp_path / "model.safetensors").items()},
        tmp_path / "model.safetensors",
        {"format": "pt"},
    )
    assert {p.dtype for p in BaselineModel.from_pretrained(tmp_path).parameters()} == {
        torch.float32
    }


def test_tiny_marks_exact_matches(tmp_path):
    model = BaselineModel.tiny(100)
    assert model.marks_exact_match
    assert model.max_length == 512
    assert model(IDS, MASK, TYPES * 2)[0].shape == IDS.shape
    model.save_pretrained(tmp_path)
    assert BaselineModel.from_pretrained(tmp_path).marks_exact_match


def test_a_third_token_type_alone_is_no_invitation(tmp_path):
    """ERNIE and FNet have four types by default, and know them for something else."""
    config = BertConfig(
        vocab_size=50,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        type_vocab_size=4,
    )
    BertForQuestionAnswering(config).save_pretrained(tmp_path)
    assert not BaselineModel.from_pretrained(tmp_path).marks_exact_match


def test_xlnet_has_types_and_no_limit():
    model = BaselineModel(
        XLNetModel(XLNetConfig(vocab_size=50, d_model=16, n_layer=1, n_head=2, d_inner=16))
    ).eval()
    assert model.max_length is None
    assert model.takes_token_types
    assert not torch.equal(model(IDS, MASK, TYPES)[0], model(IDS, MASK)[0])


def test_what_does_not_fit_is_refused(encoder_folder, bert, tokenizers):
    model = BaselineModel.from_pretrained(encoder_folder)
    model.check_fits(bert, 128)
    with pytest.raises(InputError, match="--max-length 129 is above the 128 positions"):
        model.check_fits(bert, 129)
    small = BaselineModel.tiny(20)
    with pytest.raises(InputError, match="do not belong together"):
        small.check_fits(bert, 128)


def test_a_missing_model_says_what_to_do(tmp_path):
    with pytest.raises(
        InputError,
        match=r"neither a local folder nor could its \w+ be fetched from the .* hub .*--model tiny",
    ):
        BaselineModel.from_pretrained("no-such-user/no-such-model")
    with pytest.raises(InputError, match="this folder holds no model that can be loaded"):
        BaselineModel.from_pretrained(tmp_path)


def test_pickled_weights_are_refused(encoder_folder, tmp_path):
    model = BaselineModel.from_pretrained(encoder_folder)
    model.save_pretrained(tmp_path)
    torch.save(load_file(tmp_path / "model.safetensors"), tmp_path / "pytorch_model.bin")
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(
        InputError, match=r"its weights are pickled, .* allow it with --allow-pickle"
    ):
        BaselineModel.from_pretrained(tmp_path)


def test_weights_that_are_not_the_configs_are_refused(encoder_folder, tmp_path):
    model = BaselineModel.from_pretrained(encoder_folder)
    model.save_pretrained(tmp_path)
    state = load_file(tmp_path / "model.safetensors")
    save_file(
        {k: v for k, v in state.items() if "layer.1" not in k},
        tmp_path / "model.safetensors",
        {"format": "pt"},
    )
    with pytest.raises(InputError, match="lack 16 tensors of a BertForQuestionAnswering"):
        BaselineModel.from_pretrained(tmp_path)


def test_a_name_in_place_of_an_encoder_is_refused(encoder_folder):
    with pytest.raises(InputError, match=r"use BaselineModel\.from_pretrained\('some/name'\)"):
        BaselineModel("some/name", 2, 0.1)
    encoder = BertForQuestionAnswering.from_pretrained(encoder_folder).bert
    with pytest.raises(InputError, match="takes dropout and head by keyword"):
        BaselineModel(encoder, 2, 0.1)


def test_a_configuration_is_read_once(encoder_folder, monkeypatch):
    read = []
    original = PretrainedConfig.get_config_dict.__func__
    monkeypatch.setattr(
        PretrainedConfig,
        "get_config_dict",
        classmethod(
            lambda cls, name, **options: read.append(name) or original(cls, name, **options)
        ),
    )
    BaselineModel.from_pretrained(encoder_folder)
    assert len(read) == 1
