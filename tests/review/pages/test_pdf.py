"""The PDF report, read back by another library: it contains everything that a reader must see."""

import dataclasses
import io
from typing import Literal
from unicodedata import normalize

import pytest
from pypdf import PdfReader

from lymphoscope.review.pages.pdf import report_pdf
from lymphoscope.review.pages.report_contents import Report, Row, Share, Signed

HASH = "ab12" * 16
SIGNED = Signed("Ada Łovelace", "ada", "2026-11-28 10:00 UTC", 1, "I have checked every cell.", None, HASH)
REPORT = Report(
    title="Subject S01",
    standing="final",
    synthetic=False,
    facts=(("Subject", "S01"), ("Model", "blast (0123)")),
    white_cells=200,
    target=200,
    partial=True,
    rows=(
        Row("lymphoblast", False, Share(60, 30.0, 23.7, 36.9), Share(64, 32.0, 25.6, 38.9)),
        Row("erythroblast", True, None, Share(0, None, None, None)),
    ),
    signatures=(SIGNED,),
    agreement=(("Cohen's kappa", "0.82 (0.74 to 0.90)"),),
    comments=("2026-11-28, ada: <script>alert(1)</script>",),
    head=(42, HASH),
    made="2026-11-28 10:05 UTC",
)


def text_of(report: Report) -> list[str]:
    return [" ".join(page.extract_text().split()) for page in PdfReader(io.BytesIO(report_pdf(report))).pages]


def test_the_report_has_count_intervals_signature_and_audit_head() -> None:
    (text,) = text_of(REPORT)
    for part in (
        "Subject S01",
        "Final, signed",
        "30.0 (23.7 to 36.9), n 60",
        "32.0 (25.6 to 38.9), n 64",
        "erythroblast (per 100 white cells)",
        "The model's count is of the first white cells",
        "Ada Łovelace (ada), 2026-11-28 10:00 UTC, revision 1",
        "I have checked every cell.",
        HASH,
        f"Audit chain: event 42, {HASH}",
        "not a medical device",
        "0.82 (0.74 to 0.90)",
        "<script>alert(1)</script>",
    ):
        assert part in text
    assert "PRELIMINARY" not in text


def test_an_unsigned_report_is_marked_preliminary_on_every_page() -> None:
    facts = tuple((f"fact {number}", "value") for number in range(150))
    pages = text_of(dataclasses.replace(REPORT, standing="preliminary", signatures=(), facts=facts))
    assert len(pages) > 2
    assert all("PRELIMINARY" in page and HASH in page for page in pages)
    assert "Nobody has signed this count" in " ".join(pages)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Ελένη Παπαδοπούλου", "Żółć Wiśniewska", "Nguyễn Thị Hương", "Ольга Ковальчук"])
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_names_of_many_languages_stand_in_the_document(name: str, form: Literal["NFC", "NFD"]) -> None:
    signed = dataclasses.replace(SIGNED, display_name=normalize(form, name))
    (text,) = text_of(dataclasses.replace(REPORT, signatures=(signed,)))
    assert normalize("NFC", name) in normalize("NFC", text)
    assert "lacks some characters" not in text


def test_a_character_that_the_font_lacks_is_admitted() -> None:
    (text,) = text_of(dataclasses.replace(REPORT, signatures=(dataclasses.replace(SIGNED, display_name="山田"),)))
    assert "lacks some characters" in text


def test_the_document_states_title_language_and_bookmarks() -> None:
    document = PdfReader(io.BytesIO(report_pdf(REPORT)))
    assert document.metadata is not None
    assert document.metadata.title == "Differential count, Subject S01: final"
    assert document.metadata.author == "Ada Łovelace"
    assert document.trailer["/Root"]["/Lang"] == "en"
    assert document.trailer["/Root"]["/ViewerPreferences"]["/DisplayDocTitle"]
    assert document.trailer["/Root"]["/StructTreeRoot"]
    outline = [entry["/Title"] for entry in document.outline if not isinstance(entry, list)]
    assert outline == ["Count", "Signatures", "Second reading", "Comments"]


def test_an_override_and_synthetic_cells_are_stated() -> None:
    signed = dataclasses.replace(SIGNED, override_reason="few cells on the slide")
    (text,) = text_of(dataclasses.replace(REPORT, synthetic=True, standing="amended", signatures=(signed,)))
    assert "Signed although not everything was done: few cells on the slide" in text
    assert "Synthetic cells" in text
    assert "Amended, signed" in text


@pytest.mark.parametrize(
    "text", ["a" * 500, "**bold** [link](https://x.invalid) \n\t%%EOF", "\u202eright to left", "\x00"]
)
def test_hostile_texts_leave_the_document_whole(text: str) -> None:
    report = dataclasses.replace(REPORT, title=text, comments=(text,), facts=(("Subject", text),))
    assert text_of(report)
