"""Cells that a spreadsheet shows as text and never runs as a formula."""

import re

# What makes a spreadsheet take a cell for a formula, after any blanks and control characters; wide signs count, too.
_FORMULA = re.compile(r"'*[\s\x00-\x20\x7f-\xa0\u200b-\u200f\u2028-\u202f\u2060\ufeff]*[=+\-@＝＋－＠]")


def neutralise(text: str) -> str:
    """`text` with an apostrophe before it where a spreadsheet might run it. `restore` takes it away again."""
    return f"'{text}" if _FORMULA.match(text) else text


def restore(text: str) -> str:
    """What `neutralise` was given: so an exported phone such as '+7… is read back as it was."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text
