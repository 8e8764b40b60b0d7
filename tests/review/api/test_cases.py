"""Signing, amending, the second reader, comments and exports of a case, through the API."""

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from lymphoscope.review.export.codes import SHIPPED, read_codes
from lymphoscope.review.verification import verify

MEANING = "reviewed and approved"


def case_of(client: Any) -> tuple[int, int]:
    case = client.get("/api/cases")["cases"][0]
    return case["id"], case["reading"]


def cells_of(client: Any, reading: int) -> list[dict[str, Any]]:
    return client.get(f"/api/readings/{reading}/cells?limit=1000")["cells"]


def confirm_all(client: Any, reading: int) -> int:
    """Confirm every suggestion and return the version."""
    version = client.get(f"/api/readings/{reading}")["version"]
    cells = [cell["id"] for cell in cells_of(client, reading)]
    return client.post(f"/api/readings/{reading}/confirm", {"cells": cells}, version=version)["version"]


def signature(server: Any, **changes: Any) -> dict[str, Any]:
    return {"password": server.password, "meaning": MEANING, **changes}


def test_a_case_is_signed_when_all_is_done_and_is_locked_afterwards(server: Any) -> None:
    sana = server.person("sana")
    case, reading = case_of(sana)
    left = {one["code"] for one in sana.get(f"/api/cases/{case}/signing")["blockers"]}
    assert left == {"referred_unseen", "target"}
    refused = sana.post(f"/api/cases/{case}/sign", signature(server), version=1, status=409)
    assert (refused["error"], {one["code"] for one in refused["blockers"]}) == ("cannot_sign", left)
    version = confirm_all(sana, reading)
    assert sana.get(f"/api/cases/{case}/signing")["ready"]
    guess = {**signature(server), "password": "something else"}
    wrong = sana.post(f"/api/cases/{case}/sign", guess, version, status=403)
    assert wrong["error"] == "wrong_password"
    signed = sana.post(f"/api/cases/{case}/sign", signature(server), version)
    assert (signed["by"], signed["meaning"], signed["override_reason"]) == ("sana", MEANING, None)
    assert sana.get(f"/api/cases/{case}")["state"] == "signed"
    cell = cells_of(sana, reading)[0]["id"]
    locked = sana.post(f"/api/readings/{reading}/labels", {"cells": [cell], "label": "blast"}, version, status=409)
    assert locked["error"] == "locked_case"
    assert sana.post(f"/api/readings/{reading}/undo", {}, version, status=409)["error"] == "locked_case"
    assert verify(server.database).faults == ()


def test_a_reason_overrides_what_is_left_and_is_part_of_the_signature(server: Any) -> None:
    sana = server.person("sana")
    case, _ = case_of(sana)
    reason = "the smear has too few cells"
    signed = sana.post(f"/api/cases/{case}/sign", signature(server, override_reason=reason), version=1)
    assert signed["override_reason"] == reason
    event = sana.get(f"/api/cases/{case}/events")["events"][-1]
    assert (event["kind"], event["reason"], set(event["data"]["overridden"])) == (
        "signed",
        reason,
        {"referred_unseen", "target"},
    )


def test_a_signature_needs_the_version_that_the_signer_saw(server: Any) -> None:
    sana, rita = server.person("sana"), server.person("rita")
    case, reading = case_of(sana)
    version = confirm_all(sana, reading)
    cell = cells_of(rita, reading)[0]["id"]
    rita.post(f"/api/readings/{reading}/labels", {"cells": [cell], "label": "monocyte"}, version)
    assert sana.post(f"/api/cases/{case}/sign", signature(server), version, status=409)["error"] == "changed"


def test_a_reader_may_not_sign(server: Any) -> None:
    rita = server.person("rita")
    case, reading = case_of(rita)
    version = confirm_all(rita, reading)
    assert rita.post(f"/api/cases/{case}/sign", signature(server), version, status=403)["error"] == "not_allowed"


def test_an_amendment_needs_a_reason_and_leaves_the_old_revision_readable(server: Any) -> None:
    sana = server.person("sana")
    case, reading = case_of(sana)
    sana.post(f"/api/cases/{case}/sign", signature(server), confirm_all(sana, reading))
    old = cells_of(sana, reading)
    assert sana.post(f"/api/cases/{case}/amend", {"reason": " "}, status=422)["error"] == "invalid"
    amended = sana.post(f"/api/cases/{case}/amend", {"reason": "one cell was wrong"})
    assert (amended["revision"], amended["state"]) == (2, "in_review")
    new = amended["reading"]
    sana.post(f"/api/readings/{new}/labels", {"cells": [old[0]["id"]], "label": "plasma_cell"}, version=1)
    assert cells_of(sana, reading) == old
    signed = sana.post(f"/api/cases/{case}/sign", signature(server), version=2)
    assert sana.get(f"/api/cases/{case}")["state"] == "amended"
    hashes = [one["content_hash"] for one in sana.get(f"/api/cases/{case}/signatures")]
    assert len(set(hashes)) == 2
    assert signed["revision"] == 2
    assert sana.post(f"/api/cases/{case}/amend", {"reason": "again"})["revision"] == 3
    assert verify(server.database).faults == ()


def test_the_second_reader_is_blind_until_she_has_finished(server: Any) -> None:
    rita, ravi, sana = (server.person(name) for name in ("rita", "ravi", "sana"))
    case, first = case_of(rita)
    version = confirm_all(rita, first)
    chosen = [cell["id"] for cell in cells_of(rita, first)[:3]]
    rita.post(f"/api/readings/{first}/labels", {"cells": chosen, "label": "plasma_cell"}, version)
    assert rita.post(f"/api/cases/{case}/second-reading", status=403)["error"] == "not_allowed"
    second = ravi.post(f"/api/cases/{case}/second-reading")["id"]
    for path in (f"/api/readings/{first}", f"/api/readings/{first}/cells", f"/api/cases/{case}/events"):
        assert ravi.call("GET", path).json()["error"] == "blind", path
    assert ravi.call("GET", f"/api/cases/{case}/export/csv").json()["error"] == "blind"
    assert [one["id"] for one in ravi.get(f"/api/cases/{case}")["readings"]] == [second]
    assert ravi.get("/api/cases")["cases"][0]["confirmed"] == 0
    assert rita.call("GET", f"/api/readings/{second}").json()["error"] == "blind"
    assert all(cell["label"] != "plasma_cell" for cell in cells_of(ravi, second))
    assert {one["code"] for one in sana.get(f"/api/cases/{case}/signing")["blockers"]} == {"second_reading_open"}
    version = confirm_all(ravi, second)
    ravi.post(f"/api/readings/{second}/finish", version=version)
    agreement = ravi.get(f"/api/cases/{case}/agreement")
    assert {one["cell"] for one in agreement["disagreements"]} == set(chosen)
    assert agreement["agreement"] == pytest.approx(37 / 40)
    assert {one["code"] for one in sana.get(f"/api/cases/{case}/signing")["blockers"]} == {"disagreements"}
    body = {"cells": chosen[:2], "label": "blast", "reason": "nucleoli"}
    version = sana.post(f"/api/cases/{case}/adjudicate", body, version=3)["version"]
    kept = {"cells": chosen[2:], "label": "plasma_cell", "reason": "as the first reader"}
    sana.post(f"/api/cases/{case}/adjudicate", kept, version)
    after = sana.get(f"/api/cases/{case}/agreement")
    assert all(one["resolved"] for one in after["disagreements"])
    assert after["kappa"] == agreement["kappa"]
    assert sana.get(f"/api/cases/{case}/signing")["ready"]
    assert verify(server.database).faults == ()


def test_the_queue_of_second_readings_has_what_awaits_this_person_and_what_she_has_begun(server: Any) -> None:
    rita, ravi, sana = (server.person(name) for name in ("rita", "ravi", "sana"))

    def queue(client: Any) -> list[int]:
        return [one["id"] for one in client.get("/api/cases?queue=second")["cases"]]

    case, first = case_of(rita)
    assert queue(ravi) == []  # nobody has begun the first reading
    confirm_all(rita, first)
    assert queue(rita) == []  # she took part
    assert queue(ravi) == queue(sana) == [case]
    second = ravi.post(f"/api/cases/{case}/second-reading")["id"]
    assert queue(ravi) == [case]
    assert queue(sana) == []  # another person reads it
    ravi.post(f"/api/readings/{second}/finish", version=confirm_all(ravi, second))
    assert queue(ravi) == []


def test_blind_cells_show_no_suggestion_in_any_way_until_the_case_is_signed(make_server: Any) -> None:
    server = make_server(blind_share=0.25)
    sana = server.person("sana")
    case, reading = case_of(sana)
    blind = [cell for cell in cells_of(sana, reading) if cell["blind"]]
    assert len(blind) == 10
    hidden = ("label", "suggested", "suggested_score", "blast_score", "uncertainty", "referred", "refer_reason")
    assert {cell[name] for cell in blind for name in hidden} == {None}
    assert {cell["status"] for cell in blind} == {"unanswered"}
    for order in ("blast_score", "uncertainty"):
        ordered = [cell["id"] for cell in sana.get(f"/api/readings/{reading}/cells?sort={order}")["cells"]]
        assert sorted(ordered[-10:]) == [cell["id"] for cell in blind]
    by_referral = sana.get(f"/api/readings/{reading}/cells?sort=referral")["cells"]
    referred = sum(bool(cell["referred"]) for cell in by_referral)
    assert not any(cell["blind"] for cell in by_referral[:referred])
    assert sana.get(f"/api/readings/{reading}/cells/{blind[0]['id']}")["scores"] is None
    assert not {cell["id"] for cell in sana.get(f"/api/readings/{reading}/cells?referred=true")["cells"]} & {
        cell["id"] for cell in blind
    }
    ids = [cell["id"] for cell in blind]
    refused = sana.post(f"/api/readings/{reading}/confirm", {"cells": ids}, version=1, status=422)
    assert "no label to confirm" in refused["message"]
    version = sana.post(f"/api/readings/{reading}/labels", {"cells": ids, "label": "blast"}, version=1)["version"]
    assert {cell["suggested"] for cell in cells_of(sana, reading) if cell["blind"]} == {None}
    others = [cell["id"] for cell in cells_of(sana, reading) if not cell["blind"]]
    version = sana.post(f"/api/readings/{reading}/confirm", {"cells": others}, version)["version"]
    sana.post(f"/api/cases/{case}/sign", signature(server), version)
    assert None not in {cell["suggested"] for cell in cells_of(sana, reading) if cell["blind"]}


def test_comments_are_withdrawn_but_stay_in_the_chain(server: Any) -> None:
    rita, ravi = server.person("rita"), server.person("ravi")
    case, reading = case_of(rita)
    cell = cells_of(rita, reading)[0]["id"]
    text = "<script>alert(1)</script> =1+1 'quoted'; DROP TABLE cells"
    added = rita.post(f"/api/cases/{case}/comments", {"text": text, "cell": cell})
    assert ravi.get(f"/api/readings/{reading}/cells/{cell}")["comments"][0]["text"] == text
    assert ravi.call("DELETE", f"/api/comments/{added['id']}").status_code == 403
    assert rita.call("DELETE", f"/api/comments/{added['id']}").status_code == 200
    assert rita.get(f"/api/cases/{case}/comments")[0] == {
        "id": added["id"],
        "by": "rita",
        "at": added["at"],
        "text": None,
        "cell": cell,
        "withdrawn": True,
    }
    assert rita.get(f"/api/cases/{case}/events")["events"][1]["data"]["text"] == text


def test_fhir_is_valid_and_final_only_after_signing(server: Any) -> None:
    bundles = pytest.importorskip("fhir.resources.R4B.bundle")
    sana = server.person("sana")
    case, reading = case_of(sana)

    def export() -> Any:
        bundle = bundles.Bundle.model_validate_json(sana.call("GET", f"/api/cases/{case}/export/fhir").text)
        addresses = [entry.fullUrl for entry in bundle.entry]
        assert len(set(addresses)) == len(addresses)
        told = json.dumps(json.loads(bundle.model_dump_json()))
        assert set(re.findall(r'"reference": "(.*?)"', told)) <= set(addresses)
        return [entry.resource for entry in bundle.entry]

    version = confirm_all(sana, reading)
    report, *observations = export()
    assert {one.status for one in (report, *observations)} == {"preliminary"}
    sana.post(f"/api/cases/{case}/sign", signature(server), version)
    report, *observations, signer = export()
    assert {one.status for one in (report, *observations)} == {"final"}
    assert (signer.identifier[0].value, signer.name[0].text) == ("sana", "Sana")
    codes = {one.code.coding[0].code for one in observations}
    assert codes == {"737-7", "744-3", "769-0", "709-6"}
    assert len(report.result) == len(observations)
    assert sum(float(one.valueQuantity.value) for one in observations) == pytest.approx(100, abs=0.05)
    assert "Sana" in report.performer[0].display
    sana.post(f"/api/cases/{case}/amend", {"reason": "wrong"})
    assert export()[0].status == "preliminary"
    sana.post(f"/api/cases/{case}/sign", signature(server), version=1)
    assert export()[0].status == "amended"
    old = sana.call("GET", f"/api/cases/{case}/export/fhir?reading={reading}").json()
    assert old["entry"][0]["resource"]["status"] == "final"


def test_a_code_that_was_not_verified_is_not_exported(make_server: Any, tmp_path: Path) -> None:
    table = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    table["classes"]["monocyte"]["verified"] = False
    own = tmp_path / "codes.yaml"
    own.write_text(yaml.safe_dump(table), encoding="utf-8")
    sana = make_server(codes=own).person("sana")
    case, reading = case_of(sana)
    confirm_all(sana, reading)
    entries = sana.call("GET", f"/api/cases/{case}/export/fhir").json()["entry"]
    concepts = {one["resource"]["code"].get("text"): one["resource"]["code"] for one in entries[1:]}
    assert concepts["monocyte"] == {"text": "monocyte"}
    assert concepts["blast"]["coding"][0]["code"] == "709-6"
    message = sana.call("GET", f"/api/cases/{case}/export/hl7").text
    assert "|monocyte^monocyte^L|" in message
    assert "744-3" not in message


def test_every_code_that_ships_was_verified_and_is_listed_in_the_docs() -> None:
    codes = read_codes()
    docs = (Path(__file__).parents[3] / "docs" / "how-to" / "review.md").read_text(encoding="utf-8")
    for code in (codes.panel, *codes.classes.values()):
        assert code.verified
        assert f"| {code.code} |" in docs


def test_hl7_is_parsed_and_final_only_after_signing(server: Any) -> None:
    hl7 = pytest.importorskip("hl7")
    sana = server.person("sana")
    case, reading = case_of(sana)
    version = confirm_all(sana, reading)
    message = hl7.parse(sana.call("GET", f"/api/cases/{case}/export/hl7").text)
    assert str(message.segment("OBR")[25]) == "P"
    sana.post(f"/api/cases/{case}/sign", signature(server), version)
    message = hl7.parse(sana.call("GET", f"/api/cases/{case}/export/hl7").text)
    assert str(message.segment("MSH")[9]) == "ORU^R01^ORU_R01"
    assert str(message.segment("MSH")[12]) == "2.5.1"
    assert str(message.segment("MSH")[18]) == "UNICODE UTF-8"
    assert str(message.segment("OBR")[25]) == "F"
    assert "sana" in str(message.segment("OBR")[32])
    results = message.segments("OBX")
    assert {str(one[11]) for one in results} == {"F"}
    assert sum(float(str(one[5])) for one in results) == pytest.approx(100, abs=0.05)
    assert str(message.segment("PID")[3]).startswith("S1^")


def test_exports_say_what_was_not_done_and_why_a_count_was_amended(server: Any) -> None:
    sana = server.person("sana")
    case, _ = case_of(sana)
    sana.post(f"/api/cases/{case}/sign", signature(server, override_reason="a | short film"), version=1)
    first = "Signed although not everything was done: a | short film"
    assert first in said(sana, case)["fhir"]
    assert first.replace("|", "\\F\\") in said(sana, case)["hl7"]
    sana.post(f"/api/cases/{case}/amend", {"reason": "a cell was read again"})
    sana.post(f"/api/cases/{case}/sign", signature(server, override_reason="the same"), version=1)
    for text in said(sana, case).values():
        assert "Reason of the amendment: a cell was read again" in text
        assert "short film" not in text


def test_a_case_without_a_subject_is_not_exported_as_a_patient_of_its_title(make_server: Any, tmp_path: Any) -> None:
    table = tmp_path / "predictions.csv"
    table.write_text("path,predicted,score_lymphocyte,score_monocyte\na.png,lymphocyte,0.9,0.1\n")
    sana = make_server(results=table).person("sana")
    case, _ = case_of(sana)
    title, texts = sana.get(f"/api/cases/{case}")["title"], said(sana, case)
    patient = texts["hl7"].split("\r")[1]
    assert patient.startswith("PID|1||")
    assert title not in patient
    assert patient.endswith(f"-{case}^^^lymphoscope")
    report = json.loads(texts["fhir"])["entry"][0]["resource"]
    assert report["subject"] == {"type": "Patient", "display": "not stated"}


def said(client: Any, case: int) -> dict[str, str]:
    """The texts of both messages to other systems."""
    return {kind: client.call("GET", f"/api/cases/{case}/export/{kind}").text for kind in ("fhir", "hl7")}


def test_csv_is_inert_in_a_spreadsheet_and_says_its_status(make_server: Any, tmp_path: Any) -> None:
    folder = make_server.results(tmp_path / "hostile", subjects=("=cmd|' /C calc'!A0",))
    rita = make_server(results=folder).person("rita")
    case, _ = case_of(rita)
    rows = list(csv.DictReader(io.StringIO(rita.call("GET", f"/api/cases/{case}/export/csv").text)))
    assert len(rows) == 40
    assert {row["subject"][:2] for row in rows} == {"'="}
    assert {row["report"] for row in rows} == {"preliminary"}


def test_geojson_has_a_closed_polygon_per_cell_and_classes_of_confirmed_cells_only(server: Any) -> None:
    rita = server.person("rita")
    case, reading = case_of(rita)
    cell = cells_of(rita, reading)[0]["id"]
    rita.post(f"/api/readings/{reading}/labels", {"cells": [cell], "label": "blast"}, version=1)
    collection = json.loads(rita.call("GET", f"/api/cases/{case}/export/geojson").text)
    assert len(collection["features"]) == 40
    for feature in collection["features"]:
        ring = feature["geometry"]["coordinates"][0]
        assert ring[0] == ring[-1]
        assert len(ring) >= 4
    named = [one["properties"] for one in collection["features"] if "classification" in one["properties"]]
    assert [one["classification"]["name"] for one in named] == ["blast"]


def test_every_export_is_an_event_that_names_the_head_it_states(server: Any) -> None:
    rita = server.person("rita")
    case, _ = case_of(rita)
    head = rita.get("/api/audit/head")
    rows = list(csv.DictReader(io.StringIO(rita.call("GET", f"/api/cases/{case}/export/csv").text)))
    assert {row["audit_head"] for row in rows} == {head["hash"]}
    event = rita.get(f"/api/cases/{case}/events")["events"][-1]
    assert (event["kind"], event["by"], event["data"]["head"]) == ("exported", "rita", head["hash"])
    assert verify(server.database, expected_head=head["hash"]).ok
    assert rita.call("GET", f"/api/cases/{case}/export/pickle").status_code == 404
