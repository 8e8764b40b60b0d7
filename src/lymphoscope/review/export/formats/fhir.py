"""FHIR R4: a Bundle of a DiagnosticReport, one Observation per class, and the Practitioner who signed. https://hl7.org/fhir/R4/diagnosticreport.html

The status is `preliminary` before signing, then `final`, and `amended` from the second revision on.
"""

import json
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from lymphoscope.review.counting import ClassShare
from lymphoscope.review.export.codes import Codes
from lymphoscope.review.export.registry import ExportFormat
from lymphoscope.review.report_data import ReportData
from lymphoscope.review.tables import Signature
from lymphoscope.smear.cell_classes import cell_class
from lymphoscope.version import __version__

_CATEGORY = "http://terminology.hl7.org/CodeSystem/v2-0074"
_UNITS = "http://unitsofmeasure.org"
_NOTE = "Research software, not a medical device."


def write_fhir(report: ReportData, codes: Codes) -> str:
    """Return the Bundle as JSON. Classes that are not counted, such as artefacts, are left out."""
    shares = [share for share in report.differential.after.classes if share.counted != "not_counted"]
    observations = [_observation(report, share, codes) for share in shares]
    results = [f"urn:uuid:{_uuid(report, index)}" for index in range(1, len(shares) + 1)]
    diagnostic = _diagnostic_report(report, codes, results)
    signer = [] if report.signature is None else [_practitioner(report.signature)]
    entries = [diagnostic, *observations, *signer]
    bundle = {
        "resourceType": "Bundle",
        "type": "collection",
        "timestamp": report.made,
        "identifier": _identifier(report, f"{report.case.id}/{report.reading.revision}"),
        "entry": [
            {"fullUrl": _address(report, resource, index), "resource": resource}
            for index, resource in enumerate(entries)
        ],
    }
    return json.dumps(bundle, ensure_ascii=False, indent=2)


def _diagnostic_report(report: ReportData, codes: Codes, results: list[str]) -> dict[str, Any]:
    after = report.differential.after
    return {
        "resourceType": "DiagnosticReport",
        "identifier": [_identifier(report, str(report.case.id))],
        "status": report.status,
        "category": [{"coding": [{"system": _CATEGORY, "code": "HM", "display": "Hematology"}]}],
        "code": _coded(codes.system, codes.panel.code, codes.panel.display),
        **_about(report),
        **({"resultsInterpreter": [{"reference": _signer_address(report)}]} if report.signature else {}),
        "result": [{"reference": one} for one in results],
        "conclusion": f"{after.white_cells} white cells confirmed by a person. Content {_content(report)}. "
        + "".join(f"{remark}. " for remark in report.remarks)
        + f"Audit chain {report.head.sequence} {report.head.hash}. Lymphoscope {__version__}. {_NOTE}",
    }


def _observation(report: ReportData, share: ClassShare, codes: Codes) -> dict[str, Any]:
    code = codes.of_class(share.name)
    title = cell_class(share.name).title
    concept = {"text": title} if code is None else {**_coded(codes.system, code.code, code.display), "text": title}
    observation: dict[str, Any] = {
        "resourceType": "Observation",
        "identifier": [_identifier(report, f"{report.case.id}/{share.name}")],
        "status": report.status,
        "category": [
            {
                "coding": [
                    {
                        "system": "http://terminology.hl7.org/CodeSystem/observation-category",
                        "code": "laboratory",
                    }
                ]
            }
        ],
        "code": concept,
        **_about(report),
        "component": [
            _component("number of cells", share.count, "{cells}"),
            *([_component("lower end of the 95 % interval", share.low, "%")] if share.low is not None else []),
            *([_component("upper end of the 95 % interval", share.high, "%")] if share.high is not None else []),
        ],
    }
    if share.percent is not None:
        observation["valueQuantity"] = _quantity(share.percent, "%")
    else:
        observation["dataAbsentReason"] = {"text": "no white cells are confirmed"}
    return observation


def _about(report: ReportData) -> dict[str, Any]:
    """Subject (a pseudonym), time, and who answers for the result."""
    signature = report.signature
    subject: dict[str, Any] = {"type": "Patient"}
    if report.case.subject:
        subject["identifier"] = _identifier(report, report.case.subject, "subject")
    else:
        subject["display"] = "not stated"
    about: dict[str, Any] = {"subject": subject, "issued": signature.at if signature else report.made}
    about["effectiveDateTime"] = signature.at if signature else report.made
    if signature is not None:
        words = f"{signature.display_name} ({signature.by}): {signature.meaning}"
        about["performer"] = [{"reference": _signer_address(report), "display": words}]
    return about


def _practitioner(signature: Signature) -> dict[str, Any]:
    """Who signed: the name under the signature, and the login name at this server."""
    return {
        "resourceType": "Practitioner",
        "identifier": [{"system": "urn:lymphoscope:person", "value": signature.by}],
        "name": [{"text": " ".join(signature.display_name.split())}],
    }


def _component(text: str, value: float, unit: str) -> dict[str, Any]:
    return {"code": {"text": text}, "valueQuantity": _quantity(value, unit)}


def _quantity(value: float, unit: str) -> dict[str, Any]:
    return {"value": round(value, 2), "unit": "cells" if unit == "{cells}" else unit, "system": _UNITS, "code": unit}


def _coded(system: str, code: str, display: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code, "display": display}]}


def _identifier(report: ReportData, value: str, kind: str = "case") -> dict[str, str]:
    return {"system": f"urn:lymphoscope:{report.source.hash[:16]}:{kind}", "value": " ".join(value.split())}


def _content(report: ReportData) -> str:
    return report.signature.content_hash if report.signature else "not signed"


def _address(report: ReportData, resource: dict[str, Any], index: int) -> str:
    is_signer = resource["resourceType"] == "Practitioner"
    return _signer_address(report) if is_signer else f"urn:uuid:{_uuid(report, index)}"


def _signer_address(report: ReportData) -> str:
    return f"urn:uuid:{_uuid(report, -1)}"


def _uuid(report: ReportData, index: int) -> str:
    """A UUID (version 5) that stays the same for an entry of one reading."""
    return str(uuid5(NAMESPACE_URL, f"lymphoscope {report.source.hash} {report.case.id} {report.reading.id} {index}"))


FORMAT = ExportFormat("fhir", "FHIR R4 DiagnosticReport", "application/fhir+json", ".fhir.json", write_fhir)
