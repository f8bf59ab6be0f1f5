"""The Reader answers as the dropped pipeline did, except where that was wrong."""

import math
import threading

import numpy as np
import pytest
import torch
from conftest import DATA, real_data
from transformers import (
    AutoModelForQuestionAnswering,
    AutoTokenizer,
    BertConfig,
    BertForQuestionAnswering,
)

import mrc
from mrc.commands.evaluate import main as evaluate_main
from mrc.data.loading import load_examples
from mrc.data.sample import sample_examples
from mrc.features.dataset import FeatureDataset, WindowSettings
from mrc.metrics.evaluation import evaluate
from mrc.metrics.metrics import Metrics
from mrc.reader.reader import Reader
from mrc.reader.words import Words

CONTEXT = "My name is Sylvain and I work at Hugging Face in Brooklyn."


class OldPipeline:
    """The arithmetic of the dropped pipeline in plain loops, one window at a time.

    A softmax over the context and CLS turns a window's logits into probabilities; the answers of
    the windows then become one list.

    Args:
        folder: the checkpoint.
        summing: "all" adds up equal answers of all windows, as the last versions did; "window"
            adds up those of one window only, and takes the best window.
    """

    def __init__(self, folder, summing="window"):
        self.model = AutoModelForQuestionAnswering.from_pretrained(folder).eval()
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.summing = summing

    @torch.no_grad()
    def __call__(
        self,
        question,
        context,
        top_k=1,
        max_answer_len=15,
        max_seq_len=384,
        doc_stride=128,
        handle_impossible_answer=False,
        align_to_words=True,
    ):
        encoded = self.tokenizer(
            question,
            context,
            truncation="only_second",
            max_length=max_seq_len,
            stride=doc_stride,
            return_overflowing_tokens=True,
        )
        # The words of the whole context, so that a window's border cuts none.
        words = self.tokenizer(context, add_special_tokens=False)
        self.windows = len(encoded["input_ids"])
        null_score = math.inf
        windows = []
        for w in range(self.windows):
            inputs = {
                name: torch.tensor([encoded[name][w]]) for name in self.tokenizer.model_input_names
            }
            output = self.model(**inputs)
            in_context = np.array([sequence == 1 for sequence in encoded.sequence_ids(w)])
            weighed = in_context | (
                np.array(encoded["input_ids"][w]) == self.tokenizer.cls_token_id
            )
            start, end = (
                self.softmax(logits[0].numpy(), weighed)
                for logits in (output.start_logits, output.end_logits)
            )
            null_score = min(null_score, float(start[0] * end[0]))
            start[0] = end[0] = 0
            grid = np.tril(np.triu(np.outer(start, end)), max_answer_len - 1)
            answers = {}
            for place in np.argsort(-grid, axis=None, kind="stable")[
                : 2 * top_k + 10 if align_to_words else top_k
            ]:
                first, last = np.unravel_index(place, grid.shape)
                if not (in_context[first] and in_context[last] and first <= last):
                    continue
                begin = encoded[w].offsets[first][0]
                stop = encoded[w].offsets[last][1]
                if align_to_words:
                    begin = words.word_to_chars(words.char_to_word(begin))[0]
                    stop = words.word_to_chars(words.char_to_word(stop - 1))[1]
                text = context[begin:stop]
                found = answers.setdefault(
                    text.lower(), {"score": 0.0, "start": begin, "end": stop, "answer": text}
                )
                found["score"] += float(grid[first, last])
            windows.append(answers)
        merged = {}
        for answers in windows:
            for text, answer in answers.items():
                if text not in merged:
                    merged[text] = answer
                elif self.summing == "all":
                    merged[text]["score"] += answer["score"]
                elif answer["score"] > merged[text]["score"]:
                    merged[text] = answer
        answers = list(merged.values())
        if handle_impossible_answer:
            answers.append({"score": null_score, "start": 0, "end": 0, "answer": ""})
        answers = sorted(answers, key=lambda answer: -answer["score"])[:top_k]
        return answers if top_k > 1 else answers[0]

    @staticmethod
    def softmax(logits, weighed):
        logits = np.where(weighed, logits, -10000.0).astype(np.float32)
        powers = np.exp(logits - logits.max())
        return powers / powers.sum()


def assert_same(ours, theirs):
    """The same answers with the same scores; those of equal scores may stand in any order."""
    ours, theirs = (
        answers if isinstance(answers, list) else [answers] for answers in (ours, theirs)
    )
    assert [a["score"] for a in ours] == pytest.approx([a["score"] for a in theirs], abs=1e-5)
    known = {(a["start"], a["end"]): a["score"] for a in theirs}
    lowest = theirs[-1]["score"]
    # An answer missing from theirs may have lost its place to one of equal score.
    for a in ours:
        assert known.get((a["start"], a["end"]), lowest) == pytest.approx(a["score"], abs=1e-5)
    if len(theirs) == 1 or theirs[0]["score"] - theirs[1]["score"] > 1e-5:
        assert (ours[0]["answer"], ours[0]["start"], ours[0]["end"]) == (
            theirs[0]["answer"],
            theirs[0]["start"],
            theirs[0]["end"],
        )


def has_hangul(text):
    return any("가" <= character <= "힣" for character in text)


def questions():
    """XQuAD's in three languages where it is at hand, else the built-in corpus's."""
    try:
        return [
            e
            for language in ("en", "vi", "ru")
            for e in load_examples(real_data(f"xquad.{language}.json"))[::30]
        ]
    except pytest.skip.Exception:
        return [
            e
            for language in ("en", "vi", "ru")
            for e in sample_examples("validation", (language,))[::6]
        ]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"handle_impossible_answer": True},
        {"align_to_words": False},
        {"top_k": 4, "handle_impossible_answer": True},
        {"top_k": 3, "align_to_words": False, "max_answer_len": 4},
        {"max_seq_len": 128, "doc_stride": 32, "handle_impossible_answer": True},
    ],
)
def test_answers_and_scores_are_those_of_the_old_pipeline(reader, reader_folder, settings, taught):
    old = OldPipeline(reader_folder)
    asked = [e for e in taught if not has_hangul(e.context)] + questions()[
        :: 1 + 2 * bool(settings)
    ]
    # Longer ones are cut here.
    asked = [
        e for e in asked if len(reader.tokenizer.tokenize(e.question)) <= reader.max_question_len
    ]
    ours = reader([{"question": e.question, "context": e.context} for e in asked], **settings)
    several = 0
    for example, answer in zip(asked, ours, strict=True):
        assert_same(answer, old(example.question, example.context, **settings))
        several += old.windows > 1
    assert several or "max_seq_len" not in settings


def test_scores_that_the_old_pipeline_summed_beyond_one(reader, reader_folder, taught):
    """An answer in several windows, whose scores the last versions of the pipeline added up."""
    literal = OldPipeline(reader_folder, "all")
    mended = OldPipeline(reader_folder, "window")
    example = max(
        (e for e in taught if e.answers and not has_hangul(e.context)),
        key=lambda e: reader(e)["score"],
    )
    question = example.question
    context = " ".join([example.context] * 6)
    length, asked = (len(reader.tokenizer.tokenize(text)) for text in (example.context, question))
    # With this stride every window begins with another copy of the text.
    settings = {
        "max_seq_len": 3 + asked + length + 8,
        "doc_stride": 8,
    }
    ours = reader(question=question, context=context, top_k=5, **settings)
    assert_same(ours, mended(question, context, top_k=5, **settings))
    assert mended.windows >= 5
    assert literal(question, context, top_k=5, **settings)[0]["score"] > 1 >= ours[0]["score"]
    assert (
        sum(
            answer["score"]
            for answer in reader(question=question, context=taught[0].context, top_k=100)
        )
        <= 1
    )


def test_it_has_learned_its_questions(reader, taught):
    answers = reader(
        [{"question": e.question, "context": e.context} for e in taught],
        handle_impossible_answer=True,
        max_answer_len=30,
    )
    right = [
        answer["answer"] in ({a.text for a in e.answers} or {""})
        for e, answer in zip(taught, answers, strict=True)
    ]
    assert np.mean(right) > 0.8
    assert all(
        e.context[a["start"] : a["end"]] == a["answer"]
        for e, a in zip(taught, answers, strict=True)
    )


def test_n_best_gives_the_probabilities_of_metrics(reader, taught):
    dataset = FeatureDataset(taught, reader.tokenizer, WindowSettings(max_length=384, stride=128))
    for allows_no_answer in (False, True):
        metrics = Metrics(
            dataset, n_best=20, max_answer_length=30, allows_no_answer=allows_no_answer
        )
        evaluate(reader.model, metrics)
        ours = reader(
            taught,
            scoring="n_best",
            top_k=20,
            max_answer_len=30,
            handle_impossible_answer=allows_no_answer,
        )
        for example, answers in zip(taught, ours, strict=True):
            theirs = metrics.n_best[example.id][:20]
            assert answers[0]["answer"] == metrics.predictions[example.id]
            assert sorted(a["score"] for a in answers) == pytest.approx(
                sorted(a["probability"] for a in theirs), abs=1e-6
            )
            assert {a["answer"] for a in answers} == {a["text"] for a in theirs}


def test_the_threshold_of_a_checkpoint_decides_on_no_answer(reader):
    asked = {
        "question": "Who?",
        "context": CONTEXT,
        "scoring": "n_best",
        "handle_impossible_answer": True,
    }
    for threshold, is_null in ((-1e9, True), (1e9, False)):
        strict = Reader(
            reader.model,
            reader.tokenizer,
            {"allows_no_answer": True, "null_threshold": threshold},
            device="cpu",
        )
        answers = strict(**asked, top_k=30)
        assert (answers[0]["answer"] == "") == is_null
        assert sum(a["answer"] == "" for a in answers) == 1


@pytest.mark.parametrize(
    ("inputs", "count"),
    [
        ({"question": "Who?", "context": CONTEXT}, None),
        ({"inputs": {"question": "Who?", "context": CONTEXT}}, None),
        ({"inputs": [{"question": "Who?", "context": CONTEXT}]}, 1),
        ({"question": ["Who?", "Where?"], "context": CONTEXT}, 2),
        ({"question": "Who?", "context": [CONTEXT, CONTEXT, CONTEXT]}, 3),
        ({"question": ["Who?"], "context": [CONTEXT]}, 1),
        ({"inputs": {"question": ["Who?", "Where?"], "context": [CONTEXT, CONTEXT]}}, 2),
        ({"inputs": ({"question": "Who?", "context": CONTEXT} for _ in range(2))}, 2),
        ({"inputs": []}, 0),
        ({"inputs": "Who?", "context": CONTEXT}, None),
        ({"inputs": ["Who?", "Where?"], "context": CONTEXT}, 2),
        ({"question": np.array(["Who?", "Where?"]), "context": CONTEXT}, 2),
        ({"question": (q for q in ("Who?", "Where?")), "context": [CONTEXT, CONTEXT]}, 2),
    ],
)
def test_forms_of_input(reader, inputs, count):
    found = reader(**inputs)
    for answer in [found] if count is None else found:
        assert set(answer) == {"score", "start", "end", "answer"}
        assert CONTEXT[answer["start"] : answer["end"]] == answer["answer"]
    assert count is None or (isinstance(found, list) and len(found) == count)
    assert count is not None or isinstance(reader(**inputs, top_k=2), list)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({"question": " ", "context": CONTEXT}, "the question is empty"),
        ({"question": "Who?", "context": ""}, "the context is empty"),
        ({"question": "Who?"}, "the context is missing"),
        (
            {
                "inputs": [
                    {"question": "Who?", "context": CONTEXT},
                    {"question": "", "context": CONTEXT},
                ]
            },
            "entry 1: the question is empty",
        ),
        ({"inputs": [{"question": "Who?"}]}, "entry 0 has no 'context'"),
        ({"inputs": [("Who?", CONTEXT)]}, "entry 0 is a tuple"),
        ({"inputs": "Who?"}, "by name"),
        ({"question": "Who?", "context": "\0\0"}, "the context is empty"),
        (
            {"question": "Who?", "context": CONTEXT, "handle_impossible_answer": "yes"},
            "handle_impossible_answer='yes': must be True or False",
        ),
        ({"inputs": [], "question": "Who?"}, "either inputs, or question and context"),
        ({"question": ["a", "b"], "context": [CONTEXT]}, "2 questions and 1 context:"),
        (
            {"question": "Who?", "context": CONTEXT, "top_k": 0},
            "top_k=0: must be a whole number of at least 1",
        ),
        ({"question": "Who?", "context": CONTEXT, "max_answer_len": 0}, "max_answer_len=0"),
        ({"question": "Who?", "context": CONTEXT, "scoring": "x"}, "scoring='x'"),
        ({"question": "Who?", "context": CONTEXT, "on_error": "x"}, "on_error='x'"),
        (
            {"question": "Who?", "context": CONTEXT, "max_seq_len": 4096},
            "max_seq_len=4096: the model has 512 positions",
        ),
        (
            {"question": "Who?", "context": CONTEXT, "max_seq_len": 32, "doc_stride": 30},
            "doc_stride=30: too large for windows of max_seq_len",
        ),
    ],
)
def test_what_cannot_be_asked(reader, call, message):
    with pytest.raises(ValueError, match=message):
        reader(**call)


def test_what_cannot_be_asked_can_be_left_out(reader):
    pairs = [("Who?", CONTEXT), ("", CONTEXT), ("Where?", CONTEXT), ("Who?", None)]
    questions, contexts = map(list, zip(*pairs, strict=True))
    found = reader(question=questions, context=contexts, on_error="none")
    assert [answer is None for answer in found] == [False, True, False, True]
    assert found[2] == reader(question="Where?", context=CONTEXT)
    assert reader(question="", context="", on_error="none") is None


def test_settings_that_are_not_there(reader, reader_folder):
    with pytest.raises(TypeError, match=r"topk: no such setting; did you mean 'top_k'\?"):
        reader(question="Who?", context=CONTEXT, topk=3)
    with pytest.raises(TypeError, match=r"banana: no such setting. Known: top_k, "):
        reader.explain(question="Who?", context=CONTEXT, banana=3)
    with pytest.raises(TypeError, match="top_k: no setting of from_pretrained"):
        Reader.from_pretrained(reader_folder, top_k=3)
    with pytest.raises(TypeError, match=r"devise: no such setting; did you mean 'device'\?"):
        Reader.from_pretrained(reader_folder, devise="cpu")


def test_a_question_and_a_context_need_no_names(reader):
    expected = reader(question="Who?", context=CONTEXT, top_k=2)
    assert reader("Who?", CONTEXT, top_k=np.int64(2)) == expected
    assert reader.explain("Who?", CONTEXT, top_k=2)["answers"] == expected


def test_a_thousand_questions_keep_their_order(reader, taught):
    asked = [
        {"question": f"{e.question} {n}", "context": e.context * (1 + n % 7)}
        for n, e in enumerate(taught * 4)
    ]
    together = reader(asked)
    for n in range(0, len(asked), 37):
        alone = reader(**asked[n])
        assert together[n]["score"] == pytest.approx(alone["score"], abs=1e-5)
        assert together[n]["answer"] == alone["answer"] or together[n]["score"] < 0.2
    again = reader(asked, batch_size=5)
    assert [a["score"] for a in again] == pytest.approx([a["score"] for a in together], abs=1e-5)


def test_threads_get_their_own_answers(reader, taught):
    alone = [reader(question=e.question, context=e.context) for e in taught]
    found = [[None] * len(taught) for _ in range(6)]

    def ask(mine):
        for n, example in enumerate(taught):
            mine[n] = reader(question=example.question, context=example.context)

    threads = [threading.Thread(target=ask, args=(mine,)) for mine in found]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for mine in found:
        assert [answer and answer["answer"] for answer in mine] == [
            answer["answer"] for answer in alone
        ]


def test_read_compares_passages_by_their_odds(reader, taught):
    contexts = list(dict.fromkeys(e.context for e in taught))[:6]
    for example in taught[:6]:
        answers = reader.read(
            example.question, contexts, top_k=8, align_to_words=False, max_answer_len=30
        )
        assert [a["score"] for a in answers] == sorted((a["score"] for a in answers), reverse=True)
        assert sum(a["score"] for a in answers) < 1
        odds = []
        for answer in answers:
            context = contexts[answer["passage"]]
            assert context[answer["start"] : answer["end"]] == answer["answer"]
            alone = reader(
                question=example.question,
                context=context,
                top_k=8,
                align_to_words=False,
                max_answer_len=30,
            )
            null = reader.explain(question=example.question, context=context)["no_answer"]
            odds.append(
                next(
                    a["score"]
                    for a in alone
                    if a["start"] == answer["start"] and a["end"] == answer["end"]
                )
                / null
            )
        assert np.array([a["score"] for a in answers]) / answers[0]["score"] == pytest.approx(
            np.array(odds) / odds[0], rel=1e-4
        )


def test_read_passes_over_empty_passages(reader, taught):
    contexts = list(dict.fromkeys(e.context for e in taught))[:3]
    question = taught[0].question
    without = reader.read(taught[0].question, contexts)
    among = reader.read(question, [contexts[0], " ", *contexts[1:3]], on_error="none")
    moved = [(a["answer"], a["passage"] + (a["passage"] > 0)) for a in without]
    assert len(without) == 5
    assert [(a["answer"], a["passage"]) for a in among] == moved
    with pytest.raises(ValueError, match="entry 1: the context is empty"):
        reader.read(question, [contexts[0], " "])
    assert reader.read(question, []) == []
    with pytest.raises(ValueError, match="a list of strings, not one string"):
        reader.read(question, contexts[0])


def test_read_can_say_that_no_passage_answers(reader):
    answers = reader.read(
        "Who?", [CONTEXT, CONTEXT + " So it is."], top_k=2000, handle_impossible_answer=True
    )
    (null,) = [answer for answer in answers if answer["answer"] == ""]
    assert null["passage"] is None
    assert sum(a["score"] for a in answers) == pytest.approx(1)
    with pytest.raises(ValueError, match="scoring of its own"):
        reader.read("Who?", [CONTEXT], scoring="n_best")


def test_explain_shows_every_token(reader, taught):
    long = " ".join(e.context for e in taught if "v2" in e.id or "en" in e.id)
    for settings in ({}, {"max_seq_len": 96, "doc_stride": 16}):
        asked = [
            {"question": "Who?", "context": CONTEXT},
            {"question": "Where?", "context": long},
            {"question": "Who?", "context": long},
        ]
        explained = reader.explain(asked, top_k=3, **settings)
        assert [e["answers"] for e in explained] == reader(asked, top_k=3, **settings)
        for entry, explanation in zip(asked, explained, strict=True):
            # Any example will do: only the dataset's tokenizer is used.
            dataset = FeatureDataset(load_examples(DATA / "squad.json")[:1], reader.tokenizer)
            offsets = dataset.tokenizer(
                entry["context"], add_special_tokens=False, return_offsets_mapping=True
            )["offset_mapping"]
            assert [(t["start"], t["end"]) for t in explanation["tokens"]] == offsets
            start, end = (
                np.array([t[f"{side}_probability"] for t in explanation["tokens"]])
                for side in ("start", "end")
            )
            assert (start > 0).all()
            assert start.max() <= 1
            assert end.max() <= 1
            null = reader(**entry, top_k=20000, handle_impossible_answer=True, **settings)
            assert explanation["no_answer"] == pytest.approx(
                next(a["score"] for a in null if not a["answer"]), rel=1e-3
            )
    one = reader.explain(question="Who?", context=CONTEXT, max_answer_len=1, align_to_words=False)
    best = max(t["start_probability"] * t["end_probability"] for t in one["tokens"])
    assert one["answers"][0]["score"] == pytest.approx(best, abs=1e-6)


def test_every_family_of_tokenizers_can_be_asked(tokenizer, taught):
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        type_vocab_size=3,
    )
    model = BertForQuestionAnswering(config).eval()

    class Wrapped(torch.nn.Module):
        max_length = 512
        marks_exact_match = False
        encoder = model

        def forward(self, **inputs):
            output = model(**inputs)
            return output.start_logits, output.end_logits

        def check_fits(self, tokenizer, max_length):
            pass

    reader = Reader(Wrapped(), tokenizer, device="cpu")
    for example, answers in zip(
        taught, reader(taught, top_k=3, handle_impossible_answer=True), strict=True
    ):
        for answer in answers:
            assert (
                example.context[answer["start"] : answer["end"]]
                == answer["answer"]
                == answer["answer"].strip()
            )
            assert 0 <= answer["score"] <= 1
    windowed = reader(taught, max_seq_len=96, doc_stride=8, max_question_len=32)
    assert all(
        example.context[a["start"] : a["end"]] == a["answer"]
        for example, a in zip(taught, windowed, strict=True)
    )


@pytest.mark.parametrize(
    ("text", "part", "whole"),
    [
        ("in New-York.", "Yo", "York"),
        ("costs €50!", "50", "€50"),
        ("in 1784.", "78", "1784"),
        ("Đà Nẵng.", "ẵ", "Nẵng"),
        ("서울에서 1784년에", "서울", "서울"),
        ("서울에서 1784년에", "78", "1784"),
        ("東京都にある", "京", "京"),
        ("กรุงเทพ", "รุง", "รุง"),
        ("Москва-река", "оскв", "Москва"),
        ("x\ny", "x", "x"),
        ("don't", "on", "don"),
    ],
)
def test_words(text, part, whole):
    words = Words(["other text", text, ""])
    begin = text.index(part)
    begin, end = words.extend(np.array([1]), np.array([begin]), np.array([begin + len(part)]))
    assert text[begin[0] : end[0]] == whole


def test_spaces_at_the_ends_of_an_answer():
    words = Words(["  a b ", "   ", "c"])
    begin, end = words.trim(np.array([0, 0, 1, 2]), np.array([0, 3, 0, 0]), np.array([6, 6, 3, 1]))
    assert begin[[0, 1, 3]].tolist() == [2, 4, 0]
    assert end[[0, 1, 3]].tolist() == [5, 5, 1]
    assert begin[2] >= end[2]


def test_a_model_with_few_positions(encoder_folder, bert, tmp_path):
    torch.manual_seed(0)
    BertForQuestionAnswering(
        BertConfig(
            vocab_size=len(bert),
            hidden_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=64,
            max_position_embeddings=48,
        )
    ).save_pretrained(tmp_path)
    bert.save_pretrained(tmp_path)
    reader = mrc.Reader.from_pretrained(tmp_path, device=-1, dtype="bfloat16")
    assert reader.max_seq_len == 48
    assert next(reader.model.parameters()).dtype == torch.bfloat16
    answer = reader(question="Who is it? " * 30, context=CONTEXT * 20)
    assert (CONTEXT * 20)[answer["start"] : answer["end"]] == answer["answer"]


@pytest.mark.parametrize(
    ("positions", "windows"),
    [(512, (384, 128, 64)), (200, (200, 66, 64)), (128, (128, 30, 64)), (66, (66, 23, 16))],
)
def test_windows_are_those_that_a_models_positions_allow(bert, tmp_path, positions, windows):
    torch.manual_seed(0)
    BertForQuestionAnswering(
        BertConfig(
            vocab_size=len(bert),
            hidden_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=64,
            max_position_embeddings=positions,
        )
    ).save_pretrained(tmp_path)
    bert.save_pretrained(tmp_path)
    reader = Reader.from_pretrained(tmp_path, device="cpu")
    assert (reader.max_seq_len, reader.doc_stride, reader.max_question_len) == windows
    evaluate_main(
        [
            "--checkpoint",
            str(tmp_path),
            "--data",
            str(DATA / "squad.json"),
            "--output-dir",
            str(tmp_path / "scores"),
        ]
    )


def test_a_reader_that_cannot_be_had(tmp_path, encoder_folder):
    with pytest.raises(ValueError, match="no such folder"):
        Reader.from_pretrained("./absent")
    with pytest.raises(ValueError, match="without a question-answering head"):
        Reader.from_pretrained(encoder_folder)
    with pytest.raises(ValueError, match="dtype='int3'"):
        Reader(torch.nn.Linear(1, 1), None, device="cpu", dtype="int3")
    with pytest.raises(TypeError, match=r"use Reader.from_pretrained"):
        Reader(str(encoder_folder))
    with pytest.raises(ValueError, match="checkpoint must be a folder or a hub id, not NoneType"):
        Reader.from_pretrained(None)
    with pytest.raises(ValueError, match=r"^device='gpu': choose cpu, cuda, cuda:N or mps.$"):
        Reader(torch.nn.Linear(1, 1), device="gpu")


def test_logits_that_are_no_numbers_name_the_question(reader_folder):
    broken = Reader.from_pretrained(reader_folder, device="cpu")
    torch.nn.init.constant_(broken.model.head.bias, math.nan)
    with pytest.raises(FloatingPointError, match="logits for entry 0 are not numbers"):
        broken(question="Who?", context=CONTEXT)


def test_a_reader_says_where_it_comes_from(reader, reader_folder):
    assert repr(reader).startswith(f"<Reader: {reader_folder} on cpu, float32; windows of up to")
    assert repr(reader).endswith("; always gives an answer>")
