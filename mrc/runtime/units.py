"""Sizes and times as people read them: "1.4 GB", "3 min"."""

KIB = 2**10
MINUTE = 60


def size_text(count: float) -> str:
    """A number of bytes: "512 B", "1.4 GB", where a GB is 2^30 bytes."""
    unit = "B"
    for larger_unit in ("KB", "MB", "GB", "TB"):
        # Four digits before the point would be more than anyone reads.
        if count < 1000:
            break
        count /= KIB
        unit = larger_unit
    digits = 0 if unit == "B" or count >= 100 else 1
    return f"{count:.{digits}f} {unit}"


def time_text(seconds: float) -> str:
    """A time: "8 s", "3 min 20 s", "40 min", "2 h 10 min"."""
    if seconds < MINUTE - 0.5:
        return f"{seconds:.0f} s"
    if seconds < 10 * MINUTE:
        minutes, rest = divmod(round(seconds), MINUTE)
        return f"{minutes} min {rest} s"
    if seconds < 99.5 * MINUTE:
        return f"{seconds / MINUTE:.0f} min"
    hours, rest = divmod(round(seconds / MINUTE), 60)
    return f"{hours} h {rest} min"
