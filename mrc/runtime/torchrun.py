"""What torchrun says of a process in its environment; importing this does not load torch."""

import os


def is_under_torchrun() -> bool:
    """Whether torchrun started this process.

    RANK and WORLD_SIZE would not tell: clusters set them for their own purposes.
    """
    return "TORCHELASTIC_RUN_ID" in os.environ


def torchrun_place() -> tuple[int, int, int]:
    """Return rank, number of processes, and rank on this machine; 0, 1, 0 without torchrun."""
    if not is_under_torchrun():
        return 0, 1, 0
    return (
        int(os.environ["RANK"]),
        int(os.environ["WORLD_SIZE"]),
        int(os.environ["LOCAL_RANK"]),
    )
