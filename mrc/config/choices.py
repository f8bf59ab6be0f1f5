"""The values that a flag offers, kept here so that `--help` needs no torch."""

HEADS = ("linear", "mlp", "lstm", "conv", "conditional")
PRECISIONS = ("auto", "fp32", "bf16", "fp16")

MLQA_LANGUAGES = ("en", "es", "hi", "vi", "de", "ar", "zh")
SCORERS = (
    "auto",
    "squad",
    "squad_v2",
    "korquad",
    "klue",
    "xquad",
    *(f"mlqa-{language}" for language in MLQA_LANGUAGES),
)
