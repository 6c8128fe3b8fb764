"""Text of unknown origin made harmless for files that other programs read.

A submission decides what its exceptions say and what it prints: terminal escapes, NUL characters, marks that
turn the direction of writing, characters that XML forbids, Markdown and HTML. `plain` removes what no reader
should meet, whatever the format; `fenced` and `inline` are for Markdown; HTML and XML escape at the place of
use.
"""

from __future__ import annotations

import re

# CSI sequences, OSC / DCS / APC / PM / SOS strings up to their end, and the other two-character escapes.
_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]?"
)
# Controls other than tab and line break, surrogates, what XML 1.0 forbids, and marks of direction, with
# which text can be made to look like something else.
_FORBIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff"
    "\ud800-\udfff\ufdd0-\ufdef\ufff9-\uffff\U000e0000-\U000e0fff]"
)
_FORMULA = re.compile(r"(^|;)(?=[\s\"']*[=+\-@|%\uff1d\uff0b\uff0d\uff20])")
_BACKSLASHED = re.compile(r"([\\`*_{}\[\]<>!|~&$^])")


def plain(text: str, limit: int = 4000) -> str:
    """Return text of printable characters, tabs and line breaks, of at most about `limit` characters."""
    # What lies far behind the limit is not even looked at; escapes are removed before text is counted.
    text = text[: 8 * limit + 1000].replace("\r\n", "\n").replace("\r", "\n")
    text = _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", _ESCAPES.sub("", text))
    text = re.sub("\N{REPLACEMENT CHARACTER}{4,}", "\N{REPLACEMENT CHARACTER}" * 3, text).strip("\n")
    if len(text) > limit:
        text = f"{text[:limit].rstrip()}\n[cut here: there is more]"
    return "\n".join(line.rstrip() for line in text.split("\n"))


def line(text: str, limit: int = 200) -> str:
    """Return text on one line."""
    text = " ".join(plain(text, 4 * limit).split())
    return text if len(text) <= limit else f"{text[: limit - 1].rstrip()}\N{HORIZONTAL ELLIPSIS}"


def inline(text: str, limit: int = 200) -> str:
    """Return text on one line that Markdown leaves as it is."""
    escaped = _BACKSLASHED.sub(r"\\\1", line(text, limit))
    # A line must not start a heading, a list or a rule, and an address must not become a link.
    escaped = re.sub(r"^(\d*)([.)#+=-])(?!\d)", r"\1\\\2", escaped)
    return escaped.replace("://", ":\\//").replace("@", "\\@").replace("www.", "www\\.")


def fenced(text: str, limit: int = 4000) -> str:
    """Return text as a block of code of Markdown, whose fence is longer than any row of backticks in it."""
    text = plain(text, limit)
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"


def cell(text: str) -> str:
    """Return text for a table that a spreadsheet opens: never a formula.

    Where the comma is the decimal mark, a semicolon separates the cells; some programs take the wide forms of the
    signs for the signs themselves.
    """
    return _FORMULA.sub(r"\1'", line(text))
