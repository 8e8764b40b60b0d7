from .comments import comment as comment, withdraw as withdraw
from .labels import add_cell as add_cell, confirm as confirm, label as label, see as see, undo as undo
from .leases import drop_lease as drop_lease, lease_of as lease_of, take_lease as take_lease
from .second_reading import (
    adjudicate as adjudicate,
    agreement_of as agreement_of,
    begin_second_reading as begin_second_reading,
    finish_second_reading as finish_second_reading,
)
from .signing import amend as amend, blockers as blockers, sign as sign

__all__ = [
    "add_cell",
    "adjudicate",
    "agreement_of",
    "amend",
    "begin_second_reading",
    "blockers",
    "comment",
    "confirm",
    "drop_lease",
    "finish_second_reading",
    "label",
    "lease_of",
    "see",
    "sign",
    "take_lease",
    "undo",
    "withdraw",
]
