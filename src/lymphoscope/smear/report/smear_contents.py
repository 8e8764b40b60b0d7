"""What the page of a smear is made from."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from lymphoscope.model_file import Description
from lymphoscope.smear.assemble import LightCell
from lymphoscope.smear.differential import Differential
from lymphoscope.smear.records import SmearRecord


@dataclass(frozen=True)
class SmearContents:
    """Everything that the page shows; `cells` are in the order of the walk."""

    record: SmearRecord
    differential: Differential
    cells: Sequence[LightCell]
    description: Description
    command: str

    @cached_property
    def title(self) -> str:
        """The heading of the page: the subject or slide, if there is only one."""
        subjects = {one.subject for one in self.record.fields}
        slides = {one.slide for one in self.record.fields}
        for kind, names in (("subject", subjects), ("slide", slides)):
            if len(names) == 1 and (name := next(iter(names))) is not None:
                return f"Differential count: {kind} {name}"
        return "Differential count"
