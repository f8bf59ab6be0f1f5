"""Exercise 1: where does the answer lie in a window? Page: 01-windows."""


def window_labels(
    offsets: list[tuple[int, int]],
    is_context: list[bool],
    cls_position: int,
    answer: tuple[int, int] | None,
) -> tuple[int, int]:
    """Return the positions of the answer's first and last token in one window.

    A window is what the encoder reads: special tokens, the question, a part of the context, and
    padding on either side. A position counts all of these, from 0.

    Args:
        offsets: the characters [begin, end) of each token in its own text: a question token counts
            characters of the question, a context token characters of the whole context. Special
            tokens and padding have (0, 0).
        is_context: whether each token is a token of the context; as long as `offsets`.
        cls_position: the position of [CLS], which stands for "no answer here". It is not 0 in
            every model.
        answer: the answer's characters [begin, end) in the whole context, neither of whose ends
            is a space; None if the question has no answer.

    Returns:
        (start, end). `start` is the first context token that contains the answer's first
        character, `end` the last context token that contains its last character, which is number
        `end - 1` of the context. If the window does not hold both, or if there is no answer, both
        are `cls_position`.

    Careful:
        - A token can be longer than the answer: "서울에서" is one token, the answer is "서울".
        - A rare character can be cut into several tokens, all with the same offsets.
        - A window can end in the middle of the answer, and it can have no context at all.
    """
    raise NotImplementedError("Find the first and the last token of the answer in the window.")
