"""Wants tokens that begin and end where the answer does."""


def window_labels(offsets, is_context, cls_position, answer):
    if answer is None:
        return cls_position, cls_position
    inside = [
        i
        for i, (begin, end) in enumerate(offsets)
        if is_context[i] and answer[0] <= begin and end <= answer[1]
    ]
    if not inside:
        return cls_position, cls_position
    return inside[0], inside[-1]
