"""The loop of many notebooks: the end goes one token too far back if several share a character."""


def window_labels(offsets, is_context, cls_position, answer):
    context = [i for i, inside in enumerate(is_context) if inside]
    if answer is None or not context:
        return cls_position, cls_position
    begin, end = answer
    first, last = context[0], context[-1]
    if offsets[first][0] > begin or offsets[last][1] < end:
        return cls_position, cls_position
    start = first
    while start <= last and offsets[start][0] <= begin:
        start += 1
    stop = last
    while stop >= first and offsets[stop][1] >= end:
        stop -= 1
    return start - 1, stop + 1
