"""What is wrong with a campaign folder, as data: every problem found, each with its place and its remedy.

A `CampaignError` carries all problems of one folder, never only the first, and unpickles (it may be raised on
an executor). It formats nothing for a terminal beyond plain text.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Problem:
    """One fault: the file, the key path or line in it, what was found, what is allowed, and how to fix it."""

    file: str
    key: str
    found: str
    allowed: str
    fix: str

    def __str__(self) -> str:
        place = f"{self.file}: {self.key}" if self.key else self.file
        parts = [f"{place}: {self.found}"]
        if self.allowed:
            parts.append(f"allowed: {self.allowed}")
        if self.fix:
            parts.append(self.fix)
        text = ". ".join(part.rstrip(".") for part in parts)
        return text if text.endswith("?") else f"{text}."

    def as_dict(self) -> dict[str, str]:
        return asdict(self)


class CampaignError(ValueError):
    """A campaign folder or bundle that cannot be used; `problems` lists every fault found."""

    def __init__(self, campaign: str, problems: Iterable[Problem]) -> None:
        self.campaign = campaign
        self.problems = tuple(problems)
        super().__init__(campaign, self.problems)

    def __str__(self) -> str:
        count = len(self.problems)
        head = f"campaign '{self.campaign}': {count} problem{'' if count == 1 else 's'}"
        return "\n".join([head, *(f"  {problem}" for problem in self.problems)])


def closest(word: str, candidates: Iterable[str]) -> str | None:
    """The candidate a person most likely meant, or None when nothing is near."""
    matches = difflib.get_close_matches(word.lower(), list(candidates), n=1, cutoff=0.6)
    return matches[0] if matches else None


def did_you_mean(word: str, candidates: Iterable[str], otherwise: str) -> str:
    """A hint that names the closest candidate, or `otherwise`."""
    match = closest(word, candidates)
    return f"Did you mean '{match}'?" if match else otherwise
