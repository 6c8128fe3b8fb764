"""What a check before training found: a verdict, the numbers, a sentence of advice."""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass, field
from typing import Any

OK, SUSPICIOUS, WRONG = "ok", "suspicious", "wrong"
_GRAVITY = {OK: 0, SUSPICIOUS: 1, WRONG: 2}


@dataclass(frozen=True)
class CheckResult:
    """The outcome of one check.

    Attributes
    ----------
    name : str
        What was checked, such as ``"chance loss"``.
    verdict : {"ok", "suspicious", "wrong"}
        Suspicious: it may be meant, look at it. Wrong: training like this is a waste of time.
    finding : str
        What was found, with the numbers that matter, in one sentence.
    advice : str
        What to do about it; empty where nothing is to be done.
    numbers : dict
        Everything that was measured: numbers, strings, and lists and dicts of them.
    """

    name: str
    verdict: str
    finding: str
    advice: str = ""
    numbers: dict[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether nothing was found fault with."""
        return self.verdict == OK

    def row(self, width: int = 110) -> str:
        """Return the result as a row of a table, wrapped to `width` characters."""
        start = f"  {self.name:<19}  {self.verdict:<10}  "
        blank = " " * len(start)
        lines = textwrap.wrap(self.finding, width, initial_indent=start, subsequent_indent=blank)
        if self.advice:
            lines += textwrap.wrap(
                self.advice, width, initial_indent=f"{blank}-> ", subsequent_indent=f"{blank}   "
            )
        return "\n".join(lines)

    def __str__(self) -> str:
        line = f"{self.name}: {self.verdict}: {self.finding}"
        return f"{line}\n    advice: {self.advice}" if self.advice else line


@dataclass(frozen=True)
class PrecheckReport:
    """The outcome of all checks, in the order they were made.

    Attributes
    ----------
    subject : str
        What was checked.
    results : list of CheckResult
    """

    subject: str
    results: list[CheckResult]

    @property
    def verdict(self) -> str:
        """The gravest verdict of all checks."""
        return gravest(*(result.verdict for result in self.results))

    @property
    def failed(self) -> list[CheckResult]:
        """The checks whose verdict is "wrong"."""
        return [result for result in self.results if result.verdict == WRONG]

    def __getitem__(self, name: str) -> CheckResult:
        """Return the result of the check called `name`."""
        for result in self.results:
            if result.name == name:
                return result
        raise KeyError(name)

    def __str__(self) -> str:
        rows = [result.row() for result in self.results]
        return "\n".join([f"checks before training: {self.subject}", *rows, self.tally])

    @property
    def tally(self) -> str:
        """How many checks came to which verdict, in words."""
        counts = [
            f"{sum(result.verdict == verdict for result in self.results)} {verdict}"
            for verdict in (OK, SUSPICIOUS, WRONG)
        ]
        return f"{len(self.results)} checks: {', '.join(counts)}"

    def as_dict(self) -> dict[str, Any]:
        """Return the report for a JSON file; NaN and infinity, which JSON lacks, become text."""
        results = [
            {
                "name": result.name,
                "verdict": result.verdict,
                "finding": result.finding,
                "advice": result.advice,
                "numbers": _plain(result.numbers),
            }
            for result in self.results
        ]
        return {"subject": self.subject, "verdict": self.verdict, "checks": results}


def gravest(*verdicts: str) -> str:
    """Return the worst of some verdicts; "ok" of none."""
    return max(verdicts, key=_GRAVITY.__getitem__, default=OK)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
