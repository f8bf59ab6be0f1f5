"""The names that a flag offers, kept here so that `--help` needs no torch."""

MLQA_LANGUAGES = ("en", "es", "hi", "vi", "de", "ar", "zh")


HEADS = ("linear", "mlp", "lstm", "conv", "conditional")


SCORERS = (
    "auto",
    "squad",
    "squad_v2",
    "korquad",
    "klue",
    "xquad",
    *(f"mlqa-{language}" for language in MLQA_LANGUAGES),
)
