"""Looks at the question's tokens as well, and knows one place of [CLS] only."""


def window_labels(offsets, is_context, cls_position, answer):
    if answer is None:
        return 0, 0
    first, last = answer[0], answer[1] - 1
    starts = [i for i, (begin, end) in enumerate(offsets) if begin <= first < end]
    ends = [i for i, (begin, end) in enumerate(offsets) if begin <= last < end]
    if not starts or not ends:
        return 0, 0
    return starts[0], ends[-1]
