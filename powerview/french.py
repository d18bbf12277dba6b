"""How French is set: the rules that all of PowerView's French texts share."""

from __future__ import annotations

import re


def typeset(text: str) -> str:
    """French with its no-break spaces: before two-part punctuation, inside quotation marks, between number and unit."""
    text = re.sub(r" (?=[:;?!»%])", "\N{NO-BREAK SPACE}", text).replace("« ", "«\N{NO-BREAK SPACE}")
    return re.sub(r"(?<=\d) (?=(?:[kM]?Wh?|VA|kVA|V|h|min|s)\b)", "\N{NO-BREAK SPACE}", text)
