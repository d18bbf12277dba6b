"""A sheet as a file: its bytes to rows of cells, and back. Spreadsheets write CSV in many dialects.

A cell that a spreadsheet would take for a formula is written with an apostrophe before it, and read without it: labels
come from loggers, and the sheet is opened by the people who run the installation.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from dataclasses import dataclass

NAME = "channels.csv"
REASON_NAME = f"{NAME}.reason.txt"
MOST_BYTES, MOST_ROWS, LONGEST_CELL = 2_000_000, 20_000, 500
SEPARATORS = ",;\t"

COLUMNS = {
    "device": ("device", "serial", "appareil", "numero de serie", "n de serie", "no de serie", "serie"),
    "place": ("place", "position", "voie", "emplacement"),
    "logger": ("logger", "label", "enregistreur", "libelle", "etiquette"),
    "unit": ("unit", "unite"),
    "name": ("name", "nom"),
    "role": ("role",),
    "group": ("group", "groupe"),
    "factor": ("factor", "facteur", "coefficient"),
    "mean": ("mean", "moyenne"),
    "largest": ("largest", "maximum", "max"),
}
"""The columns, and what their headers may be called, in English and French, without accents."""

FRENCH_TITLES = {
    "device": "appareil", "place": "position", "logger": "enregistreur", "unit": "unité", "name": "nom", "role": "rôle",
    "group": "groupe", "factor": "facteur", "mean": "moyenne", "largest": "maximum",
}  # fmt: skip
"""How the columns are called in a sheet that is written in French."""

NEEDED = ("device", "place")
WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
"""How .xlsx and .ods files begin (ZIP), and .xls files (Compound File Binary Format)."""

SAVE_AS = (
    'save it in the spreadsheet as "CSV UTF-8 (comma delimited)", in French "CSV UTF-8 (délimité par des virgules)"'
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?([eE][+-]?\d+)?")


class NotUnderstood(Exception):
    """The sheet cannot be understood: `problems` are sentences with the line and the remedy, at least one."""

    def __init__(self, *problems: str) -> None:
        self.problems = problems
        more = f" ({len(problems) - 1} more in {REASON_NAME})" if len(problems) > 1 else ""
        super().__init__(problems[0] + more)


@dataclass
class Table:
    """A sheet's cells as text. `columns` has the place of each column that it has; `rows` their line and cells."""

    separator: str
    bom: bool
    newline: str
    header: list[str]
    columns: dict[str, int]
    rows: list[tuple[int, list[str]]]

    def cell(self, cells: list[str], column: str) -> str:
        """The cell of a row in a column; empty where there is none."""
        return cells[self.columns[column]] if column in self.columns else ""


def read_table(data: bytes) -> Table:
    """The cells of a sheet, as long as its header. Raises NotUnderstood."""
    text, bom = _text(data)
    newline = "\r\n" if "\r\n" in text else "\n"
    separator, skipped = _separator(text)
    rows = _rows(text, separator)[skipped:]
    if not rows:
        raise NotUnderstood(f"the sheet is empty: its first line names the columns {', '.join(COLUMNS)}.")
    (number, header), *rows = rows
    columns = _columns(number, header)
    if len(rows) > MOST_ROWS:
        raise NotUnderstood(f"the sheet has more than {MOST_ROWS} lines: one for each clamp is enough.")
    problems = [problem for problem in (_row_problem(n, cells, len(header)) for n, cells in rows) if problem]
    if problems:
        raise NotUnderstood(*problems)
    rows = [(n, (cells + [""] * len(header))[: len(header)]) for n, cells in rows]
    return Table(separator, bom, newline, header, columns, rows)


def _text(data: bytes) -> tuple[str, bool]:
    if len(data) > MOST_BYTES:
        raise NotUnderstood(f"the sheet has more than {MOST_BYTES // 1_000_000} MB: keep one line for each clamp.")
    if data.startswith(WORKBOOKS):
        raise NotUnderstood(f"this is a workbook with the name of a CSV file: open it, and {SAVE_AS}.")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in data:
        raise NotUnderstood(f"this is no text in UTF-8 or Windows-1252: {SAVE_AS}.")
    bom = data.startswith(b"\xef\xbb\xbf")
    try:
        return data.decode("utf-8-sig"), bom
    except UnicodeDecodeError:
        pass
    try:
        return data.decode("cp1252"), True  # written again it is UTF-8, which spreadsheets know by its mark
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise NotUnderstood(f"line {line}: a character is neither UTF-8 nor Windows-1252: {SAVE_AS}.") from error


def _separator(text: str) -> tuple[str, int]:
    # The one by which the first line has the most columns that we know; and whether Excel's own `sep=;` is above it.
    lines = [line for line in text[: MOST_BYTES // 10].splitlines() if line.strip()] or [""]
    stated = re.fullmatch(r'"?sep=([,;\t])"?[,;\t]*', lines[0].strip(" "), re.IGNORECASE)
    if stated:
        return stated[1], 1

    def known(separator: str) -> int:
        return sum(_column(cell.strip(' "')) is not None for cell in lines[0].split(separator))

    return max(SEPARATORS, key=known), 0


def _rows(text: str, separator: str) -> list[tuple[int, list[str]]]:
    # The rows that are not empty, by the number of the line in which each begins.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    rows, before = [], 0
    try:
        for cells in reader:
            cells = [plain(cell.strip()) for cell in cells]
            if any(cells):
                rows.append((before + 1, cells))
            before = reader.line_num
    except csv.Error as error:
        raise NotUnderstood(
            f"line {before + 1}: a quotation mark is not closed, or a cell is too long ({error}): write text that has "
            f'" in it between quotation marks, and each " in it twice.'
        ) from error
    return rows


def _columns(number: int, header: list[str]) -> dict[str, int]:
    columns: dict[str, int] = {}
    for place, title in enumerate(header):
        column = _column(title)
        if column in columns:
            raise NotUnderstood(
                f"line {number}: {shown(header[columns[column]])} and {shown(title)} are both the column {column}: "
                f"rename or delete one of them."
            )
        if column:
            columns[column] = place
    missing = [column for column in NEEDED if column not in columns]
    if missing:
        raise NotUnderstood(
            f"line {number}: there is no column {' and no column '.join(missing)}: the first line names the columns "
            f"{', '.join(list(COLUMNS)[:8])}, with `,`, `;` or a tab between them."
        )
    return columns


def _column(title: str) -> str | None:
    plain = "".join(c for c in unicodedata.normalize("NFKD", title.casefold()) if not unicodedata.combining(c))
    plain = " ".join(re.sub(r"[\W_]+", " ", plain).split())
    return next((column for column, names in COLUMNS.items() if plain in names), None)


def _row_problem(number: int, cells: list[str], width: int) -> str | None:
    if any(cells[width:]):
        return (
            f"line {number}: there are more cells than columns: write a text that has the separator in it between "
            f"quotation marks."
        )
    if any(len(cell) > LONGEST_CELL for cell in cells):
        return f"line {number}: a cell has more than {LONGEST_CELL} characters: shorten it."
    return None


def title_of(column: str, language: str) -> str:
    """What a column is called in a sheet that is written in this language."""
    return FRENCH_TITLES[column] if language == "fr" else column


def shown(cell: str) -> str:
    """A cell as messages quote it: on one line, not too long."""
    plain = "".join(c if c.isprintable() else " " for c in cell)
    return repr(plain if len(plain) <= 60 else plain[:60] + "…")


# ── and back ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def write_table(table: Table) -> bytes:
    """The bytes of a sheet in its own dialect, as UTF-8, every cell safe to open in a spreadsheet."""
    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter=table.separator, lineterminator=table.newline)
    for cells in (table.header, *(cells for _, cells in table.rows)):
        writer.writerow([guarded(cell) for cell in cells])
    return b"\xef\xbb\xbf" * table.bom + file.getvalue().encode("utf-8", "replace")


def guarded(cell: str) -> str:
    """Text that no spreadsheet takes for a formula: an apostrophe is put before what looks like one."""
    apostrophes = len(cell) - len(cell.lstrip("'"))
    formula = cell[apostrophes:].startswith(_FORMULA) and not (apostrophes == 0 and _NUMBER.fullmatch(cell))
    return "'" + cell if formula else cell


def plain(cell: str) -> str:
    """The text that `guarded` made safe."""
    rest = cell[1:]
    return rest if cell.startswith("'") and rest.lstrip("'").startswith(_FORMULA) else cell
