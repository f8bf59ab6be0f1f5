"""Windows, labels and geometry: equal to those of the tokenizer's own overflow path."""

import numpy as np
import pytest
from conftest import real_data
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from mrc.config import TrainConfig
from mrc.data import NOT_FOUND, Answer, Example, load_examples
from mrc.data.sample import sample_examples
from mrc.errors import InputError
from mrc.features import FeatureDataset, WindowSettings
from mrc.features.arrays import ranges, ranges_within
from mrc.features.dataset import EXACT_MATCH_TYPE

TEXT = st.text(
    st.one_of(
        st.sampled_from("abc XYZ 한국어 도서관 điện thoại Маяк 1984 .,'\"()\n\t"),
        st.characters(exclude_categories=["Cs"]),
    ),
    min_size=1,
    max_size=80,
)


def tokenizer_windows(tokenizer, example, max_length, stride):
    """The reference recipe's features of one example: the tokenizer's own windows."""
    context_first = tokenizer.padding_side == "left"
    question = example.question.strip()
    pair = (example.context, question) if context_first else (question, example.context)
    encoded = tokenizer(
        *pair,
        truncation="only_first" if context_first else "only_second",
        max_length=max_length,
        stride=stride,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
        return_token_type_ids=True,
    )
    windows = []
    for i, offsets in enumerate(encoded["offset_mapping"]):
        in_context = np.array([s == (0 if context_first else 1) for s in encoded.sequence_ids(i)])
        ids = encoded["input_ids"][i]
        specials = [t for t in (tokenizer.cls_token_id, tokenizer.bos_token_id) if t in ids]
        null = ids.index(specials[0]) if specials else 0
        windows.append(
            {
                "input_ids": ids,
                "attention_mask": encoded["attention_mask"][i],
                "token_type_ids": encoded["token_type_ids"][i],
                "offsets": np.where(in_context[:, None], np.array(offsets), -1),
                "null": null,
                "in_context": in_context,
            }
        )
    return windows


def assert_same_windows(dataset, tokenizer, max_length, stride):
    """Ids, mask, types and offsets are equal, save one offset: see below."""
    feature = 0
    for e, example in enumerate(dataset.examples):
        for window in tokenizer_windows(tokenizer, example, max_length, stride):
            ours = dataset[feature]
            assert dataset.example_index[feature] == e
            for name in ("input_ids", "attention_mask"):
                assert ours[name].tolist() == window[name]
            if "token_type_ids" in tokenizer.model_input_names:
                assert ours["token_type_ids"].tolist() == window["token_type_ids"]
            offsets = dataset.offsets(feature)
            expected = window["offsets"]
            first = dataset.context_begin[feature]
            spares_space = "add_prefix_space=True" in repr(
                tokenizer.backend_tokenizer.post_processor
            )
            if spares_space and dataset.window_begin[feature]:
                # A byte-level post-processor spares the space of a text's first token, and takes
                # the first token of each later window for one. Ours is the same token's offset in
                # every window.
                assert set(offsets[first] - expected[first]) <= {0, 1}
                offsets[first] = expected[first]
            assert np.array_equal(offsets, expected)
            assert dataset.null_position[feature] == window["null"]
            feature += 1
    assert feature == len(dataset)


@pytest.mark.parametrize(
    ("max_length", "stride"), [(40, 0), (40, 5), (48, 16), (64, 20), (384, 128)]
)
def test_windows_equal_the_tokenizers_own(examples, tokenizer, max_length, stride):
    max_question_length = 1000
    if max_length <= 64:
        # Keep the questions that leave room.
        room = max_length - stride - 6
        examples = [e for e in examples if len(tokenizer(e.question)["input_ids"]) < room]
        max_question_length = 64
    windows = WindowSettings(
        max_length=max_length, stride=stride, max_question_length=max_question_length
    )
    dataset = FeatureDataset(examples, tokenizer, windows)
    assert_same_windows(dataset, tokenizer, max_length, stride)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    pairs=st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=3),
    room=st.integers(2, 30),
    data=st.data(),
)
def test_windows_of_any_text(tokenizer, pairs, room, data):
    examples = [Example(str(n), question, context) for n, (question, context) in enumerate(pairs)]
    questions = [question.strip() for question, _ in pairs]
    # The tokenizer takes an empty second text for none at all; data has no empty questions.
    assume(all(questions))
    longest = max(len(tokenizer.encode(q, add_special_tokens=False)) for q in questions)
    specials = tokenizer.num_special_tokens_to_add(pair=True)
    stride = data.draw(st.integers(0, room - 1))
    max_length = longest + specials + room
    dataset = FeatureDataset(
        examples,
        tokenizer,
        WindowSettings(max_length=max_length, stride=stride, max_question_length=longest + 1),
    )
    assert_same_windows(dataset, tokenizer, max_length, stride)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(context=TEXT, stride=st.integers(0, 6), data=st.data())
def test_a_label_covers_its_answer_up_to_token_borders(tokenizer, context, stride, data):
    begin = data.draw(st.integers(0, len(context) - 1))
    end = data.draw(st.integers(begin + 1, len(context)))
    dataset = FeatureDataset(
        [Example("1", "?", context, (Answer(context[begin:end], begin),))],
        tokenizer,
        WindowSettings(max_length=40, stride=stride, max_question_length=10),
    )
    tokens = dataset.contexts.offsets
    # Some characters have no token.
    of_answer = [c for c in range(begin, end) if ((tokens[:, 0] <= c) & (c < tokens[:, 1])).any()]
    for i in range(len(dataset)):
        item, offsets = dataset[i], dataset.offsets(i)
        start = item["start_positions"]
        last = item["end_positions"]
        overlapping = int(((tokens[:, 1] > begin) & (tokens[:, 0] < end)).sum())
        here = int(((offsets[:, 1] > begin) & (offsets[:, 0] < end) & (offsets[:, 0] >= 0)).sum())
        if start == dataset.null_position[i]:
            assert here == 0 or here < overlapping
        else:
            assert start <= last
            # Both ends are tokens of the answer, and the answer is covered.
            assert offsets[start, 1] > begin
            assert offsets[last, 0] < end
            assert offsets[start, 0] <= of_answer[0]
            assert of_answer[-1] < offsets[last, 1]


def incumbent_label(window, answer):
    """The start and end token of an answer in a window, as the widely used recipe finds them."""
    context = np.flatnonzero(window["in_context"])
    begin = answer.start
    end = answer.start + len(answer.text)
    offsets = window["offsets"]
    if offsets[context[0], 0] > begin or offsets[context[-1], 1] < end:
        return window["null"], window["null"]
    first, last = context[0], context[-1]
    while first <= context[-1] and offsets[first, 0] <= begin:
        first += 1
    while offsets[last, 1] >= end:
        last -= 1
    # Crossed where one character of several tokens is the answer: a label of nothing.
    return tuple(sorted((first - 1, last + 1)))


def test_labels_equal_the_incumbents(examples, tokenizer):
    dataset = FeatureDataset(examples, tokenizer, WindowSettings(max_length=96, stride=20))
    feature = 0
    for example in examples:
        for window in tokenizer_windows(tokenizer, example, 96, 20):
            label = dataset.start_positions[feature], dataset.end_positions[feature]
            assert label == incumbent_label(window, example.answers[0])
            feature += 1
    assert (dataset.start_positions != dataset.null_position).any()


@pytest.mark.parametrize(
    "name", ["sample", "KorQuAD_v1.0_dev.json", "xquad.en.json", "xquad.vi.json", "xquad.ru.json"]
)
def test_windows_and_labels_of_whole_data_sets(tokenizers, name):
    is_sample = name == "sample"
    all_examples = sample_examples("validation") if is_sample else load_examples(real_data(name))
    examples = all_examples.head(300)
    for family in ("bert-cased", "xlm-r"):
        dataset = FeatureDataset(
            examples,
            tokenizers[family],
            WindowSettings(max_length=512, stride=128, max_question_length=300),
        )
        assert_same_windows(dataset, tokenizers[family], 512, 128)
        feature = 0
        for example in examples:
            for window in tokenizer_windows(tokenizers[family], example, 512, 128):
                label = dataset.start_positions[feature], dataset.end_positions[feature]
                assert label == incumbent_label(window, example.answers[0])
                feature += 1


def test_a_batch_is_its_features_padded(examples, tokenizer):
    dataset = FeatureDataset(examples, tokenizer, WindowSettings(max_length=96, stride=20))
    indices = [5, 0, len(dataset) - 1, 3]
    batch = dataset.batch(indices, pad_to_multiple_of=8)
    items = [dataset[i] for i in indices]
    width = batch["input_ids"].shape[1]
    assert width % 8 == 0
    assert width - max(len(item["input_ids"]) for item in items) < 8
    left = tokenizer.padding_side == "left"
    fill = {
        "input_ids": tokenizer.pad_token_id,
        "attention_mask": 0,
        "token_type_ids": tokenizer.pad_token_type_id,
    }
    for row, item in enumerate(items):
        pad = width - len(item["input_ids"])
        before_and_after = (pad, 0) if left else (0, pad)
        for name in fill.keys() & item.keys():
            padded = np.pad(item[name], before_and_after, constant_values=fill[name])
            assert np.array_equal(batch[name][row], padded)
        assert batch["start_positions"][row] == item["start_positions"] + (pad if left else 0)
    assert set(batch) == set(items[0])


def test_rounding_up_does_not_pass_the_longest_window(examples, bert):
    dataset = FeatureDataset(examples, bert, WindowSettings(max_length=60, stride=20))
    batch = dataset.batch(range(len(dataset)), pad_to_multiple_of=8)
    assert dataset.lengths.max() == 60
    assert batch["input_ids"].shape[1] == 60


def test_exact_matches_are_the_context_tokens_of_the_question(examples, bert):
    dataset = FeatureDataset(
        examples,
        bert,
        WindowSettings(max_length=64, stride=20, mark_exact_match=True),
    )
    plain = FeatureDataset(examples, bert, WindowSettings(max_length=64, stride=20))
    marked = 0
    for i in range(len(dataset)):
        ids = dataset[i]["input_ids"]
        types = dataset[i]["token_type_ids"]
        before = plain[i]["token_type_ids"]
        first = dataset.context_begin[i]
        count = dataset.context_length[i]
        question = set(ids[1 : first - 1].tolist())
        for position in range(len(ids)):
            in_context = first <= position < first + count
            is_match = in_context and int(ids[position]) in question
            expected = EXACT_MATCH_TYPE if is_match else before[position]
            assert types[position] == expected
            marked += types[position] == EXACT_MATCH_TYPE
    assert marked
    together = dataset.batch(range(len(dataset)))["token_type_ids"]
    for i in range(len(dataset)):
        types = dataset[i]["token_type_ids"]
        assert np.array_equal(together[i, : len(types)], types)


def test_a_template_that_uses_the_third_type_is_left_alone(examples, tokenizers):
    dataset = FeatureDataset(
        examples,
        tokenizers["xlnet"],
        WindowSettings(max_length=64, stride=10, mark_exact_match=True),
    )
    assert not dataset.mark_exact_match


def test_a_long_question_is_cut_and_counted(bert):
    long = Example(
        "1", "When was the mill built? " * 30, "The mill was built in 1784.", (Answer("1784", 22),)
    )
    dataset = FeatureDataset(
        [long, Example("2", "When?", long.context, long.answers)],
        bert,
        WindowSettings(max_length=64, stride=16, max_question_length=20),
    )
    assert dataset.questions_cut == 1
    assert "1 question cut to its first 20 tokens" in dataset.report()
    assert dataset.lengths[0] == 3 + 20 + dataset.contexts.lengths[0]
    assert dataset[0]["start_positions"] > 0


def test_unlabeled_examples_have_no_labels(bert):
    item = FeatureDataset([Example("1", "When?", "In 1784.")], bert)[0]
    assert set(item) == {"input_ids", "attention_mask", "token_type_ids"}


def test_lone_surrogates_are_read_at_their_place(bert):
    context = "The \ud800 mill was built in 1784."
    dataset = FeatureDataset(
        [Example("1", "When \udfff?", context, (Answer("1784", context.index("1784")),))], bert
    )
    begin, end = dataset.characters(
        np.array([0]), dataset.start_positions[:1], dataset.end_positions[:1]
    )
    assert context[begin[0] : end[0]] == "1784"


def test_a_stride_without_room_is_refused(examples, bert):
    with pytest.raises(InputError, match="--stride 60 must be below the room"):
        FeatureDataset(examples, bert, WindowSettings(max_length=64, stride=60))


def test_texts_are_held_once(bert):
    context = "The mill was built in 1784. " * 100
    dataset = FeatureDataset(
        [Example(str(n), "When?", context) for n in range(50)],
        bert,
        WindowSettings(max_length=64, stride=16),
    )
    assert len(dataset.contexts.lengths) == 1
    assert len(dataset) > 50 * 10
    assert len(dataset.contexts.ids) == dataset.contexts.lengths[0]


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 6)), max_size=20))
def test_ranges(pairs):
    starts, counts = np.array(pairs, dtype=int).reshape(-1, 2).T
    expected = [i for start, count in pairs for i in range(start, start + count)]
    assert ranges(starts, counts).tolist() == expected


@given(st.lists(st.integers(1, 4), max_size=10))
def test_ranges_within_groups(counts):
    groups = np.repeat(np.arange(len(counts)), counts)
    expected = [rank for count in counts for rank in range(count)]
    assert ranges_within(groups).tolist() == expected


def test_the_span_mask_is_the_context_and_the_null_position(examples, tokenizer):
    dataset = FeatureDataset(
        examples,
        tokenizer,
        WindowSettings(max_length=96, stride=20, mask_question=True),
    )
    batch = dataset.batch(range(len(dataset)))
    for i, mask in enumerate(batch["span_mask"]):
        # Without padding.
        mask = mask[batch["attention_mask"][i] == 1]
        expected = dataset.offsets(i)[:, 0] >= 0
        expected[dataset.null_position[i]] = True
        assert np.array_equal(mask == 1, expected)
    assert (batch["span_mask"] <= batch["attention_mask"]).all()


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_geometry_is_that_of_the_batch(examples, tokenizer, data):
    dataset = FeatureDataset(examples, tokenizer, WindowSettings(max_length=96, stride=20))
    feature = st.integers(0, len(dataset) - 1)
    indices = np.array(data.draw(st.lists(feature, min_size=1, max_size=6)))
    width = data.draw(st.integers(int(dataset.lengths[indices].max()), 100))
    batch = dataset.batch(indices, width=width)
    tokens, context, null_position = dataset.borders(indices, width)

    for row, i in enumerate(indices):
        columns = np.flatnonzero(batch["attention_mask"][row])
        assert tokens[row].tolist() == [columns[0], columns[-1] + 1]
        padding = dataset.padding_before([i], width)[0]
        assert padding == columns[0]
        assert null_position[row] == padding + dataset.null_position[i]

        offsets = dataset.offsets(i)
        in_context = np.flatnonzero(offsets[:, 0] >= 0)
        columns = in_context + padding
        assert context[row].tolist() == [columns[0], columns[-1] + 1]
        owner = np.full_like(columns, i)
        begin, end = dataset.characters(owner, columns, columns, width)
        assert np.array_equal(np.stack([begin, end], axis=1), offsets[in_context])

        # A token is the same one in each window that has it.
        nth = dataset.context_tokens(owner, columns, width)
        text = dataset.context_index[dataset.example_index[i]]
        whole = dataset.contexts.ids[dataset.contexts.starts[text] :]
        assert np.array_equal(whole[nth], batch["input_ids"][row, columns])


def test_a_questions_outer_spaces_take_no_room(tokenizer):
    context = "The mill was built in 1784."
    plain, spaced = (
        FeatureDataset(
            [Example("1", question, context)],
            tokenizer,
            WindowSettings(max_length=64, stride=8, max_question_length=20),
        )
        for question in ("When was it built?", " " * 50 + "When was it built? \n\t")
    )
    assert spaced[0]["input_ids"].tolist() == plain[0]["input_ids"].tolist()
    assert spaced.questions_cut == plain.questions_cut


def test_what_can_be_trained_on(bert):
    context = "The mill was built in 1784."
    nowhere = Answer("1785", NOT_FOUND)
    examples = [
        Example("answer", "When?", context, (Answer("1784", 22),)),
        Example("second", "When?", context, (nowhere, Answer("1784", 22))),
        Example("impossible", "Who?", context, is_impossible=True),
        Example("not found", "When?", context, (nowhere,)),
        Example("no label", "When?", context),
    ]
    dataset = FeatureDataset(examples, bert)
    assert dataset.has_label.tolist() == [True, True, True, False, False]
    assert dataset.holds_answer.tolist() == [True, True, False, False, False]
    begin, end = dataset.answer_characters()
    assert begin.tolist() == [22, 22, NOT_FOUND, NOT_FOUND, NOT_FOUND]
    assert end.tolist() == [26, 26, NOT_FOUND, NOT_FOUND, NOT_FOUND]

    unlabeled = FeatureDataset(examples[-1:], bert)
    assert not unlabeled.has_label.any()
    assert not unlabeled.holds_answer.any()


def test_whole_inputs_count_their_question_uncut(examples, bert):
    whole = FeatureDataset(examples, bert, WindowSettings(max_length=512))
    cut = FeatureDataset(
        examples, bert, WindowSettings(max_length=64, stride=8, max_question_length=5)
    )
    in_one_window = whole.windows == 1
    assert in_one_window.any()
    lengths = whole.lengths[whole.windows[whole.example_index] == 1]
    assert whole.input_lengths()[in_one_window].tolist() == lengths.tolist()
    assert cut.input_lengths().tolist() == whole.input_lengths().tolist()


def test_settings_out_of_range_are_refused():
    with pytest.raises(InputError, match="stride -1: must be 0 or more"):
        WindowSettings(stride=-1)
    with pytest.raises(InputError, match="max_question_length 0: must be 1 or more"):
        WindowSettings(max_question_length=0)


def test_settings_are_read_from_a_config():
    config = TrainConfig(max_length=96, stride=20, feature_cache="cache", mask_question=True)
    settings = WindowSettings.from_config(config)
    assert settings == WindowSettings(max_length=96, stride=20, mask_question=True, cache="cache")
