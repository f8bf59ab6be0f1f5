"""A model card says what is known of a checkpoint, to people and to the hub, and its code works as
it stands."""

import re
from pathlib import Path

import pytest
from conftest import DATA
from huggingface_hub import ModelCard
from transformers import BertConfig, BertModel

from mrc.checkpoint.store import save_checkpoint
from mrc.config.train import TrainConfig
from mrc.model.baseline import BaselineModel
from mrc.training.card import card_text

SCORES = {"exact_match": 53.978052126200275, "f1": 73.82201168601851, "total": 1458}


def settings(scorer="auto", scores=SCORES, **config):
    return {
        "config": TrainConfig(**config).to_dict(),
        "epoch": 1,
        "step": 345,
        "scorer": scorer,
        "scores": scores,
    }


@pytest.fixture
def model(encoder_folder, tmp_path):
    model = BaselineModel.from_pretrained(encoder_folder)
    # As the checkpoint does before it writes the card.
    model.save_pretrained(tmp_path)
    return model


def card_of(*args):
    return ModelCard(card_text(*args))


def test_what_the_hub_reads(model, bert):
    card = card_of(
        model,
        bert,
        settings(
            "korquad", model="klue/bert-base", train_file="klue:mrc", validation_file="squad_kor_v1"
        ),
    )
    data = card.data
    assert (data.pipeline_tag, data.library_name) == ("question-answering", "transformers")
    assert (data.base_model, data.language) == ("klue/bert-base", ["ko"])
    assert data.datasets == ["klue", "squad_kor_v1"]
    assert data.model_name == "klue/bert-base on klue:mrc"
    em, f1 = data.eval_results
    assert (em.metric_type, em.metric_value, f1.metric_type, f1.metric_value) == (
        "exact_match",
        53.98,
        "f1",
        73.82,
    )
    assert em.task_type == "question-answering"
    assert em.dataset_type == "squad_kor_v1"
    assert em.dataset_name == "squad_kor_v1"
    assert em.dataset_config is None
    (em, _) = card_of(
        model, bert, settings(train_file="klue:mrc", validation_split="validation")
    ).data.eval_results
    assert (em.dataset_type, em.dataset_config, em.dataset_name) == ("klue", "mrc", "klue:mrc")


def test_what_people_read(model, bert):
    files = {"train_file": "train.json", "validation_file": "dev.json"}
    text = card_text(model, bert, settings("korquad", model="klue/bert-base", epochs=7, **files))
    for row in (
        "EM | 53.98",
        "F1 | 73.82",
        "questions | 1458",
        "scorer | `korquad`",
        "`epochs` | 7",
        "`max_length` | 384",
    ):
        assert f"| {row} |" in text
    assert "trained from `klue/bert-base` on `train.json`" in text
    assert "On `dev.json`" in text
    assert "max_answer_length" not in text
    text = card_text(
        model,
        bert,
        settings(
            max_tokens_per_batch=4096, schedule="cosine", max_steps=9, warmup_steps=3, ema_decay=0.9
        ),
    )
    for row in (
        "`max_tokens_per_batch` | 4096",
        "`schedule` | cosine",
        "`max_steps` | 9",
        "`warmup_steps` | 3",
        "`ema_decay` | 0.9",
    ):
        assert f"| {row} |" in text
    assert not any(
        f"`{name}`" in text
        for name in ("batch_size", "epochs", "warmup_ratio", "layer_decay", "patience")
    )
    null = card_text(
        model,
        bert,
        {
            **settings(model="klue/bert-base", train_file="train.json"),
            "allows_no_answer": True,
            "null_threshold": -1.5,
        },
    )
    assert "exceeds the best span's by more than -1.5" in null
    assert "null" not in text


def test_no_local_path_is_told(model, bert, encoder_folder, tmp_path, monkeypatch):
    data = tmp_path / "private" / "train.json"
    text = card_text(
        model,
        bert,
        settings(
            model=str(encoder_folder),
            train_file=str(data),
            validation_file=str(data),
            output_dir=str(tmp_path),
        ),
    )
    assert str(tmp_path) not in text
    assert str(encoder_folder.parent) not in text
    assert "private" not in text
    assert card_of(model, bert, settings(model=str(encoder_folder))).data.base_model is None
    assert "`train.json`" in text
    assert f"`{encoder_folder.name}`" in text
    # A folder whose name could be a hub id.
    monkeypatch.chdir(encoder_folder.parent)
    assert card_of(model, bert, settings(model=encoder_folder.name)).data.base_model is None


def test_only_what_is_known_is_said(model, bert):
    for known in (
        {},
        {"epoch": 3},
        {"scores": SCORES},
        settings(scores={}),
        settings(validation_fraction=0.1, train_file="a.json"),
    ):
        card = card_of(model, bert, known)
        assert card.data.pipeline_tag == "question-answering"
        assert "None" not in re.sub("```.*?```", "", str(card), flags=re.DOTALL)
    assert "## Scores" not in str(card_of(model, bert, settings(scores={})))
    assert (
        card_of(model, bert, settings(train_file="a.json", model="klue/bert-base")).data.language
        is None
    )
    assert card_of(model, bert, settings(data="sample")).data.language == ["ko", "en", "vi", "ru"]
    assert card_of(model, bert, settings(data="sample:unanswerable:ko,vi")).data.language == [
        "ko",
        "vi",
    ]
    assert card_of(model, bert, settings("mlqa-vi", train_file="a.json")).data.language == ["vi"]


def snippets(text, language="python"):
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_its_code_runs_as_it_stands(model, bert, tmp_path, monkeypatch, capsys):
    given = settings(model="klue/bert-base", train_file="train.json")
    save_checkpoint(tmp_path / "reader", model, bert, given, card=card_text(model, bert, given))
    text = (tmp_path / "reader" / "README.md").read_text("utf-8")
    monkeypatch.chdir(tmp_path / "reader")
    ours, theirs = snippets(text)
    found = {}
    exec(ours, found)
    assert found["settings"]["epoch"] == 1
    assert type(found["model"]) is BaselineModel
    exec(theirs, found)
    answer = capsys.readouterr().out.rstrip("\n")
    assert answer
    assert answer in found["context"]
    start, end = found["start"], found["end"]
    parts = found["inputs"].sequence_ids()
    assert parts[start] == 1
    assert parts[end] == 1
    assert 0 <= end - start < 30
    scores = found["scores"]
    inside = found["in_context"].nonzero()[:, 0].tolist()
    assert scores[start, end] == max(
        scores[s, e] for s in inside for e in inside if s <= e < s + 30
    )


def test_who_loads_it_is_said_honestly(bert, tmp_path, tokenizers):
    marks = BaselineModel.tiny(len(tokenizers["tiny"]))
    marks.save_pretrained(tmp_path)
    text = card_text(marks, tokenizers["tiny"], settings())
    assert (
        "which only `mrc` makes: `AutoModelForQuestionAnswering` does not give its answers" in text
    )
    assert len(snippets(text)) == 1
    assert ModelCard(text).data.library_name is None
    assert ModelCard(text).data.base_model is None
    config = BertConfig(
        vocab_size=50,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
    )
    own = BaselineModel(BertModel(config), head="mlp")
    assert "Transformers has no class for its architecture" in card_text(own, bert, settings())


def test_a_file_name_that_is_no_text_ends_no_run(model, bert, tmp_path):
    given = settings(train_file="caf\udce9.json", validation_file=str(DATA / "squad.json"))
    save_checkpoint(tmp_path / "reader", model, bert, given, card=card_text(model, bert, given))
    assert Path(tmp_path / "reader" / "README.md").read_text("utf-8").startswith("---\n")


def test_scores_of_a_part_of_the_training_file_say_so(model, bert):
    card = card_of(model, bert, settings(train_file="train.json", validation_fraction=0.15))
    assert "On held-out 15 % of `train.json`:" in str(card)
    assert card.data.eval_results[0].dataset_name == "held-out 15 % of train.json"
    other = card_of(model, bert, settings(train_file="train.json", validation_file="dev.json"))
    assert "On `dev.json`:" in str(other)
