"""A share of a list, for machines that know nothing of each other.

    3/16    the third of sixteen shares: items 3, 19, 35 and so on, counted from 1

Every machine is to have the same list. Shares taken in turns differ by one item at most, and a
folder whose pictures grow larger towards its end burdens all machines alike.
"""

import dataclasses
import re
from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")


@dataclasses.dataclass(frozen=True)
class Shard:
    """Share `number` of `of`, counted from 1. Raises ValueError where there is none such."""

    number: int = 1
    of: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.of:
            raise ValueError(
                f"--shard={self.number}/{self.of}: shares are counted from 1; the first is "
                f"1/{max(self.of, 1)}, the last {max(self.of, 1)}/{max(self.of, 1)}"
            )

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """From `3/16`. Raises ValueError."""
        found = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text.strip())
        if found is None:
            raise ValueError(f"--shard={text}: give it as 3/16, the third of sixteen shares")
        return cls(*map(int, found.groups()))

    def select(self, items: Sequence[Item]) -> Sequence[Item]:
        """Its items, in their order."""
        return items[self.number - 1 :: self.of]
