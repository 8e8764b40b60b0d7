"""The findings of an audit, as a table, as text and as JSON."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import pandas as pd

from lymphoscope.data.manifest import below_common_folder
from lymphoscope.terminal import one_line

Severity = Literal["error", "warning", "notice"]

FORMAT_VERSION = 2
_MAX_ROWS = 10


class Finding(NamedTuple):
    """One finding: `check` is the name of the check, `path` and `other_path` the files, `detail` one line."""

    check: str
    severity: Severity
    path: str | None
    other_path: str | None
    detail: str


@dataclass(frozen=True)
class AuditReport:
    """Findings (columns of Finding, worst first), class counts (label, cells, subjects), and notices of a source."""

    source: str
    cells: int
    findings: pd.DataFrame
    class_counts: pd.DataFrame
    notices: tuple[str, ...]

    @property
    def failed(self) -> bool:
        """Whether there is an error or a warning; notices are for information."""
        return bool(self.findings["severity"].isin(["error", "warning"]).any())

    def to_dict(self) -> dict[str, Any]:
        """Return the whole report as JSON values."""
        return {
            "format_version": FORMAT_VERSION,
            "source": self.source,
            "cells": self.cells,
            "failed": self.failed,
            "notices": list(self.notices),
            "class_counts": self.class_counts.to_dict("records"),
            "findings": self.findings.to_dict("records"),
        }

    def to_json(self) -> str:
        """Return the whole report as JSON text."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)

    def to_text(self) -> str:
        """Return a table of the classes, the notices, and the first findings of each check."""
        noun = "synthetic cells" if self.source == "synthetic" else "cells"
        parts = [f"{self.cells} {noun} ({self.source})", self.class_counts.to_string(index=False)]
        parts += [f"notice: {notice}" for notice in self.notices]
        shortened = self.findings.assign(**_short_paths(self.findings))
        for (check, severity), own in shortened.groupby(["check", "severity"], sort=False):
            parts.append(_section(f"{severity}: {check}", own))
        return "\n".join([*parts, self._conclusion()])

    def _conclusion(self) -> str:
        counts = self.findings["severity"].value_counts()
        numbers = ", ".join(f"{name}s {counts.get(name, 0)}" for name in ("error", "warning", "notice"))
        return f"{'something is wrong' if self.failed else 'nothing is wrong'}: {numbers}"


def findings_table(findings: Iterable[Finding]) -> pd.DataFrame:
    """Make a table of findings, errors first; text columns hold str or None."""
    order = {"error": 0, "warning": 1, "notice": 2}
    rows = sorted(findings, key=lambda each: order[each.severity])
    columns = {name: [getattr(row, name) for row in rows] for name in Finding._fields}
    return pd.DataFrame(columns, dtype=object)


def _short_paths(findings: pd.DataFrame) -> dict[str, list[str]]:
    """The two columns of paths, relative to the folder that contains all paths named."""
    columns = ["path", "other_path"]
    paths = sorted({path for name in columns for path in findings[name] if path})
    short = dict(zip(paths, below_common_folder(paths), strict=True))
    return {name: [short.get(path, "") for path in findings[name]] for name in columns}


def _section(title: str, findings: pd.DataFrame) -> str:
    lines = [f"{title} ({len(findings)})"]
    first = findings.head(_MAX_ROWS)
    for path, other, detail in zip(first["path"], first["other_path"], first["detail"], strict=True):
        files = " and ".join(name for name in (path, other) if name)
        lines.append(one_line(f"  {files}: {detail}" if files else f"  {detail}"))
    if len(findings) > _MAX_ROWS:
        lines.append(f"  and {len(findings) - _MAX_ROWS} more, all of them in --json")
    return "\n".join(lines)
