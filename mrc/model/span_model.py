"""What the loop asks of a model: logits of spans, and some facts about itself."""

from torch import nn

from mrc.errors import InputError


class SpanModel(nn.Module):
    """What the loop, `Metrics` and checkpoints ask of a model: logits of spans, and some facts about itself.

    `forward(input_ids, attention_mask=None, token_type_ids=None)`, each (batch, length), returns start_logits and end_logits,
    each (batch, length), the mask being None where nothing is padding; `save_pretrained(folder)` writes config.json and
    model.safetensors.

    head_is_new: its weights are random. marks_exact_match: it was made to be given the exact match feature of FeatureDataset.
    takes_start_positions: `forward` takes them in training. max_length: longest input in tokens, None for no limit.
    vocab_size: rows of its embedding. pad_token_id: the one that it counts positions by, None if it counts all.
    """

    head_is_new, marks_exact_match, takes_start_positions = True, False, False
    max_length = vocab_size = pad_token_id = None

    def check_fits(self, tokenizer, max_length):
        """Raise InputError if the model has too few positions for the windows, or was made for another vocabulary."""
        if self.max_length is not None and max_length > self.max_length:
            raise InputError(
                f"--max-length {max_length} is above the {self.max_length} positions that the model has; "
                f"use --max-length {self.max_length} or less."
            )
        if self.vocab_size is not None and len(tokenizer) > self.vocab_size:
            raise InputError(
                f"the tokenizer has {len(tokenizer)} tokens and the model {self.vocab_size} embeddings: they do not belong "
                "together."
            )
        if self.pad_token_id not in (None, tokenizer.pad_token_id):
            raise InputError(
                f"the tokenizer pads with token {tokenizer.pad_token_id} and the model knows padding as token "
                f"{self.pad_token_id}: they do not belong together."
            )

    def recompute_activations(self):
        """Keep only each layer's input for the backward pass, and compute the rest anew. Raises InputError if the encoder cannot."""
        encoder = getattr(self, "encoder", None)
        if not getattr(encoder, "supports_gradient_checkpointing", False):
            raise InputError(
                f"--gradient-checkpointing: {type(self if encoder is None else encoder).__name__} does not support it."
            )
        enable = getattr(
            encoder, "activation_checkpointing_enable", encoder.gradient_checkpointing_enable
        )  # its new name
        enable({"use_reentrant": False})
        encoder.config.use_cache = False  # which would be warned of at the first step
