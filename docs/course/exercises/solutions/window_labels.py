"""Solution of exercise 1."""


def window_labels(
    offsets: list[tuple[int, int]],
    is_context: list[bool],
    cls_position: int,
    answer: tuple[int, int] | None,
) -> tuple[int, int]:
    """Return the positions of the answer's first and last token in one window.

    Where several tokens share the answer's first or last character, `mrc.FeatureDataset` takes the
    innermost, as the reference recipe does, unless this character is the whole answer.
    """
    nothing = cls_position, cls_position
    if answer is None:
        return nothing
    first_character, last_character = answer[0], answer[1] - 1

    starts = []
    ends = []
    for position, (begin, end) in enumerate(offsets):
        if not is_context[position]:
            continue
        if begin <= first_character < end:
            starts.append(position)
        if begin <= last_character < end:
            ends.append(position)
    if not starts or not ends:
        return nothing
    return starts[0], ends[-1]
