"""Several processes may run one training: Lightning starts the command again for each further device."""

import os


def is_rank_zero() -> bool:
    """Whether this process is the one that splits, judges and reports; the others only train."""
    return all(os.environ.get(name, "0") == "0" for name in ("LOCAL_RANK", "NODE_RANK"))
