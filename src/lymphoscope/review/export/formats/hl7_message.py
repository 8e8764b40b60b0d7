"""HL7 version 2.5.1: an ORU^R01 message with one OBX per class. Result status P, F, or C (corrected) when amended."""

from lymphoscope.review.counting import ClassShare
from lymphoscope.review.export.codes import Codes
from lymphoscope.review.export.registry import ExportFormat
from lymphoscope.review.report_data import ReportData
from lymphoscope.version import __version__

_STATUS = {"preliminary": "P", "final": "F", "amended": "C"}
_ESCAPES = str.maketrans(
    {"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\", "\r": " ", "\n": " ", "\t": " "}
)


def write_hl7(report: ReportData, codes: Codes) -> str:
    """Return the message; segments end with a carriage return, as the standard asks."""
    status = _STATUS[report.status]
    moment = _time(report.signature.at if report.signature else report.made)
    shares = [share for share in report.differential.after.classes if share.counted != "not_counted"]
    panel = f"{codes.panel.code}^{_text(codes.panel.display)}^{codes.hl7_system}"
    order = f"{report.case.id}-{report.reading.revision}"
    signer = report.signature
    performer = f"{_text(signer.by)}^{_text(signer.display_name)}" if signer else ""
    segments = [
        f"MSH|^~\\&|LYMPHOSCOPE||||{_time(report.made)}||ORU^R01^ORU_R01|{order}-{report.head.sequence}|P|2.5.1||||||"
        "UNICODE UTF-8",
        f"PID|1||{_text(report.case.subject or _nobody(report))}^^^lymphoscope",
        f"OBR|1||{order}^lymphoscope|{panel}|||{moment}|||||||||||||||{_time(report.made)}||HM|{status}|||||||{performer}",
        *(_result(share, codes, index, status, moment) for index, share in enumerate(shares, 1)),
        *(f"NTE|{index}||{_text(note)}" for index, note in enumerate((_note(report), *report.remarks), 1)),
    ]
    return "\r".join(segments) + "\r"


def _result(share: ClassShare, codes: Codes, index: int, status: str, moment: str) -> str:
    code = codes.of_class(share.name)
    local = f"{_text(share.name)}^{_text(share.title)}^L"
    what = f"{code.code}^{_text(code.display)}^{codes.hl7_system}^{local}" if code else local
    value = "" if share.percent is None else f"{share.percent:.2f}"
    return f"OBX|{index}|NM|{what}||{value}|%^percent^UCUM|||||{status}|||{moment}"


def _nobody(report: ReportData) -> str:
    """An id that no other case has: a case without a subject must not be taken for that of another person."""
    return f"{report.source.hash[:16]}-{report.case.id}"


def _note(report: ReportData) -> str:
    signed = "not signed"
    if report.signature is not None:
        signed = (
            f"signed by {report.signature.display_name} ({report.signature.meaning}), {report.signature.content_hash}"
        )
    return (
        f"{report.differential.after.white_cells} white cells confirmed by a person; {signed}; audit chain "
        f"{report.head.sequence} {report.head.hash}; Lymphoscope {__version__}; research software, not a medical device"
    )


def _time(text: str) -> str:
    return text[:19].replace("-", "").replace(":", "").replace("T", "") + "+0000"


def _text(text: str) -> str:
    return text.translate(_ESCAPES)


FORMAT = ExportFormat("hl7", "HL7 version 2 message (ORU^R01)", "application/hl7-v2; charset=utf-8", ".hl7", write_hl7)
