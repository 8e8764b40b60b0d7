"""How the report was made: command, commit, device, date, versions."""

from lymphoscope.reports.contents import ReportContents
from lymphoscope.reports.registry import Section, SectionDefinition


def build(contents: ReportContents) -> Section:
    """List how the report was made."""
    versions = contents.description.versions if contents.description else {}
    rows = [
        ("Command", contents.command),
        ("Commit", contents.commit or "not run from a git checkout"),
        ("Device", contents.device),
        ("Date", contents.date),
        ("Versions", ", ".join(f"{name} {version}" for name, version in versions.items())),
    ]
    return Section("Provenance", "{{ facts(rows) }}", {"rows": [(name, text) for name, text in rows if text]})


SECTION = SectionDefinition(title="Provenance", anchor="provenance", order=140, build=build)
