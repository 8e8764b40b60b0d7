"""What an audit found, for a person, a program and an exit status."""

import json
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import pandas as pd

from lymphoscope.data.manifest import below_common_folder

Severity = Literal["error", "warning", "notice"]

_ROWS_SHOWN = 10


class Finding(NamedTuple):
    """One thing found: `check` names what was looked for, `path` and `other_path` the files, `detail` one line."""

    check: str
    severity: Severity
    path: str | None
    other_path: str | None
    detail: str


@dataclass(frozen=True)
class AuditReport:
    """Findings (columns of Finding, worst first), the balance of classes (label, cells, subjects), and notices."""

    source: str
    cells: int
    findings: pd.DataFrame
    balance: pd.DataFrame
    notices: tuple[str, ...]

    @property
    def failed(self) -> bool:
        """Whether something is wrong: an error or a warning; notices are for information."""
        return bool(self.findings["severity"].isin(["error", "warning"]).any())

    def to_dict(self) -> dict[str, Any]:
        """All of it in plain values."""
        return {
            "format_version": 1,
            "source": self.source,
            "cells": self.cells,
            "failed": self.failed,
            "notices": list(self.notices),
            "balance": self.balance.to_dict("records"),
            "findings": self.findings.to_dict("records"),
        }

    def to_json(self) -> str:
        """All of it as JSON."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)

    def to_text(self) -> str:
        """A table of the classes, the notices, and the first findings of each check."""
        called = "synthetic cells" if self.source == "synthetic" else "cells"
        parts = [f"{self.cells} {called} ({self.source})", self.balance.to_string(index=False)]
        parts += [f"notice: {notice}" for notice in self.notices]
        shown = self.findings.assign(**_short_paths(self.findings))
        for (check, severity), found in shown.groupby(["check", "severity"], sort=False):
            parts.append(_section(f"{severity}: {check}", found))
        return "\n".join([*parts, self._verdict()])

    def _verdict(self) -> str:
        counts = self.findings["severity"].value_counts()
        found = ", ".join(f"{name}s {counts.get(name, 0)}" for name in ("error", "warning", "notice"))
        return f"{'something is wrong' if self.failed else 'nothing is wrong'}: {found}"


def as_findings(found: list[Finding]) -> pd.DataFrame:
    """A table of findings, errors first; text columns hold str or None."""
    order = {"error": 0, "warning": 1, "notice": 2}
    rows = sorted(found, key=lambda one: order[one.severity])
    columns = {name: [getattr(row, name) for row in rows] for name in Finding._fields}
    return pd.DataFrame(columns, dtype=object)


def _short_paths(findings: pd.DataFrame) -> dict[str, list[str]]:
    """The two columns of paths, below the folder that holds all that are named."""
    columns = ["path", "other_path"]
    named = sorted({path for name in columns for path in findings[name] if path})
    short = dict(zip(named, below_common_folder(named), strict=True))
    return {name: [short.get(path, "") for path in findings[name]] for name in columns}


def _section(title: str, found: pd.DataFrame) -> str:
    lines = [f"{title} ({len(found)})"]
    first = found.head(_ROWS_SHOWN)
    for path, other, detail in zip(first["path"], first["other_path"], first["detail"], strict=True):
        files = " and ".join(name for name in (path, other) if name)
        lines.append(f"  {files}: {detail}" if files else f"  {detail}")
    if len(found) > _ROWS_SHOWN:
        lines.append(f"  and {len(found) - _ROWS_SHOWN} more, all of them in --json")
    return "\n".join(lines)
