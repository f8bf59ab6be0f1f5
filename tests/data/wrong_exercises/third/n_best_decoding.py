"""The reference recipe's loop, in half precision if the logits are, and one token too long."""

import torch


def n_best_decoding(start_logits, end_logits, is_context, n, max_answer_length):
    batch, length = start_logits.shape
    scores = torch.full((batch, n), -torch.inf)
    starts = torch.zeros(batch, n, dtype=torch.long)
    ends = torch.zeros(batch, n, dtype=torch.long)
    for row in range(batch):
        spans = [
            (float(start_logits[row, i] + end_logits[row, j]), i, j)
            for i in range(length)
            for j in range(i, min(i + max_answer_length + 1, length))
            if is_context[row, i] and is_context[row, j]
        ]
        spans.sort(key=lambda span: -span[0])
        for place, (score, start, end) in enumerate(spans[:n]):
            scores[row, place] = score
            starts[row, place] = start
            ends[row, place] = end
    return scores, starts, ends
