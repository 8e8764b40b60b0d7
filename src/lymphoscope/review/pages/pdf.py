"""The report as PDF: the count with intervals, the signatures, and the head of the audit chain on every page."""

from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Final
from unicodedata import normalize

import matplotlib
from fpdf import FPDF, FontFace, TextStyle
from fpdf.enums import TableBordersLayout
from fpdf.fonts import TTFFont
from fpdf.prefs import ViewerPreferences

from lymphoscope.review.pages.report_contents import NOT_A_DEVICE, Report, Signed

MARGIN: Final = 18
"""Millimetres."""
INK: Final = (28, 36, 48)
SOFT: Final = (79, 90, 104)
LOUD: Final = (163, 59, 0)
PALE: Final = (236, 236, 236)
_FONT: Final = "DejaVu"


def report_pdf(report: Report) -> bytes:
    """Return the report as a PDF of A4 pages, with its sections as bookmarks.

    Text is shown in the scripts that DejaVu Sans has: Latin with all its accents, Greek, Cyrillic, Arabic, Hebrew and
    others; the document says so where a character is in none of them.
    """
    pdf = _Paper(report)
    pdf.add_page()
    _heading(pdf, report)
    _facts(pdf, report.facts)
    _count(pdf, report)
    _section(pdf, "Signatures")
    for signed in report.signatures:
        _signature(pdf, signed)
    if not report.signatures:
        pdf.paragraph("Nobody has signed this count: it is preliminary.", LOUD)
    if report.agreement:
        _section(pdf, "Second reading")
        _facts(pdf, report.agreement)
    if report.comments:
        _section(pdf, "Comments")
        for comment in report.comments:
            pdf.paragraph(comment)
    if pdf.has_unknown_characters(report):
        pdf.paragraph("The font of this document lacks some characters above: the page of the report has them.", SOFT)
    return bytes(pdf.output())


class _Paper(FPDF):
    """A4 paper with the watermark of a preliminary report and the footer of every page."""

    def __init__(self, report: Report) -> None:
        super().__init__(format="A4")
        self.report = report
        fonts = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
        self.add_font(_FONT, "", fonts / "DejaVuSans.ttf")
        self.add_font(_FONT, "B", fonts / "DejaVuSans-Bold.ttf")
        self.set_margins(MARGIN, MARGIN)
        self.set_auto_page_break(True, 26)
        self.set_title(f"Differential count, {report.title}: {report.standing}")
        self.set_author("; ".join(signed.display_name for signed in report.signatures) or "nobody has signed")
        self.set_subject(NOT_A_DEVICE)
        self.set_creator("Lymphoscope")
        self.set_lang("en")
        self.viewer_preferences = ViewerPreferences(display_doc_title=True)
        title = TextStyle(_FONT, "B", 12, INK, t_margin=3, b_margin=1)
        self.set_section_title_styles(title)
        self.alias_nb_pages()

    def header(self) -> None:
        """Write the watermark behind the text of a page."""
        if not self.report.preliminary:
            return
        self.set_font(_FONT, "B", 64)
        self.set_text_color(*PALE)
        with self.rotation(52, self.w / 2, self.h / 2):
            self.text(self.w / 2 - self.get_string_width("PRELIMINARY") / 2, self.h / 2, "PRELIMINARY")

    def footer(self) -> None:
        """Write what the report is, and the head of the audit chain, by which a cut chain shows."""
        number, digest = self.report.head
        self.set_y(-22)
        self.set_font(_FONT, "", 7)
        self.set_text_color(*SOFT)
        synthetic = " Synthetic cells." if self.report.synthetic else ""
        lines = (
            NOT_A_DEVICE + synthetic,
            f"Audit chain: event {number}, {digest}",
            f"Made {self.report.made}. Page {self.page_no()} of {{nb}}.",
        )
        for line in lines:
            self.cell(0, 3.6, line, new_x="LMARGIN", new_y="NEXT")

    def has_unknown_characters(self, report: Report) -> bool:
        """Return whether the font has no glyph for a character of what people or results named."""
        signed = [(one.display_name, one.meaning, one.override_reason or "") for one in report.signatures]
        texts = [report.title, *(value for _, value in report.facts), *report.comments, *chain.from_iterable(signed)]
        font = self.fonts[_FONT.lower()]
        assert isinstance(font, TTFFont)  # noqa: S101 - it was added from a file
        return any(ord(one) not in font.cmap for text in texts for one in normalize("NFC", text) if one.isprintable())

    def normalize_text(self, text: str) -> str:
        """Return a text with composed accents, as the font has them."""
        return super().normalize_text(normalize("NFC", text))

    def paragraph(self, text: str, colour: tuple[int, int, int] = INK, size: float = 9, style: str = "") -> None:
        """Write text that is broken into lines."""
        self.set_font(_FONT, style, size)
        self.set_text_color(*colour)
        self.multi_cell(0, size * 0.5, text, new_x="LMARGIN", new_y="NEXT", align="L")
        self.ln(1)


def _heading(pdf: _Paper, report: Report) -> None:
    pdf.paragraph("Differential count of white blood cells", size=16, style="B")
    pdf.paragraph(report.title, size=12, style="B")
    if report.synthetic:
        pdf.paragraph("Synthetic cells: a demonstration, no patient's blood.", LOUD, style="B")
    words = {"preliminary": "PRELIMINARY, not signed", "final": "Final, signed", "amended": "Amended, signed"}
    pdf.paragraph(words[report.standing], LOUD if report.preliminary else INK, size=11, style="B")
    pdf.ln(2)


def _section(pdf: _Paper, title: str) -> None:
    pdf.start_section(title)


def _facts(pdf: _Paper, facts: Iterable[tuple[str, str]]) -> None:
    pdf.set_font(_FONT, "", 9)
    pdf.set_text_color(*INK)
    with pdf.table(
        borders_layout=TableBordersLayout.NONE,
        col_widths=(32, 68),
        first_row_as_headings=False,
        line_height=4.6,
        text_align="LEFT",
    ) as table:
        for fact in facts:
            table.row(fact)


def _count(pdf: _Paper, report: Report) -> None:
    _section(pdf, "Count")
    pdf.set_font(_FONT, "", 9)
    pdf.set_text_color(*INK)
    with pdf.table(
        borders_layout=TableBordersLayout.HORIZONTAL_LINES,
        col_widths=(34, 33, 33),
        headings_style=FontFace(emphasis="BOLD"),
        line_height=5.4,
        text_align="LEFT",
    ) as table:
        table.row(("Class", "Confirmed by a person", "Suggested by the model"))
        for row in report.rows:
            title = f"{row.title} (per 100 white cells)" if row.per_100 else row.title
            table.row((title, _cell(row.confirmed), _cell(row.suggested)))
    needed = f" of {report.target} needed" if report.target else ""
    partial = " The model's count is of the first white cells, up to the target of the smear." if report.partial else ""
    pdf.ln(1)
    pdf.paragraph(
        f"{report.white_cells} white cells confirmed{needed}. Per cent of white cells with 95 % intervals; n is the "
        f"number of cells.{partial}",
        SOFT,
        size=8,
    )


def _cell(share: object) -> str:
    return "\u2013" if share is None else str(share)


def _signature(pdf: _Paper, signed: Signed) -> None:
    pdf.paragraph(f"{signed.display_name} ({signed.name}), {signed.at}, revision {signed.revision}", style="B")
    pdf.paragraph(signed.meaning)
    if signed.override_reason:
        pdf.paragraph(f"Signed although not everything was done: {signed.override_reason}", LOUD)
    pdf.paragraph(f"Hash of the signed content: {signed.content_hash}", SOFT, size=7)
