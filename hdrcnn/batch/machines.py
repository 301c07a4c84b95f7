"""Distribution over machines: workers of Dask, or an independent share of the items for each.

    3/16    the third of sixteen shares: items 3, 19, 35 and so on, counted from 1

Machines with shares do not communicate, and all must be given the same list. Interleaved shares
differ by at most one item, and all machines get a similar load even if the files of a folder grow
larger towards its end.
"""

import contextlib
import dataclasses
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from hdrcnn.files import UserError

if TYPE_CHECKING:
    from distributed import Security

MIN_WORKER_GIGABYTES = 2.0
"""Least memory of a worker in GB; TensorFlow and the network alone take 0.8."""


class WorkersError(UserError):
    """Workers that cannot be started or used."""


@dataclasses.dataclass(frozen=True)
class WorkersConfig:
    """Where Dask workers run. Raises ValueError for values out of bounds or in conflict."""

    workers: int | None = None
    """Number of processes on this machine; None: one for every four cores."""
    worker_gigabytes: float | None = None
    """Memory limit of each worker, above which it is ended; None: an equal share of the machine's
    memory."""
    scheduler: str | None = None
    """Address of a scheduler that has its own workers; None: workers on this machine."""
    tls_ca_file: str | None = None
    tls_cert: str | None = None
    tls_key: str | None = None
    """PEM files for a tls:// scheduler; the certificate's file may contain the key. None: those of
    Dask's own configuration."""

    def __post_init__(self) -> None:
        memory, address, files = self.worker_gigabytes, self.scheduler, self._files
        if self.workers is not None and self.workers < 1:
            raise ValueError(f"--workers={self.workers}: give 1 or more")
        if memory is not None and not MIN_WORKER_GIGABYTES <= memory < math.inf:
            raise ValueError(
                f"--worker_gigabytes={memory:g}: a worker needs {MIN_WORKER_GIGABYTES:g} or more"
            )
        if files and not (address or "").startswith("tls://"):
            raise ValueError(f"--{min(files)} is for --scheduler=tls://host:8786")
        if address is not None and (self.workers or memory):
            raise ValueError(
                "--scheduler has workers of its own; leave out --workers and --worker_gigabytes"
            )
        if address is not None and not _is_address(address):
            raise ValueError(
                f"--scheduler={address}: not an address; give it as tcp://host:8786 or "
                "tls://host:8786"
            )

    @property
    def _files(self) -> dict[str, str]:
        names = ("tls_ca_file", "tls_cert", "tls_key")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

    def security(self) -> "Security":
        """Return the certificates: temporary ones for workers on this machine, else those given.

        Raises WorkersError.
        """
        from distributed import Security

        if self.scheduler is None:
            return Security.temporary()
        renamed = {"tls_cert": "tls_client_cert", "tls_key": "tls_client_key"}
        try:
            for path in self._files.values():
                Path(path).open("rb").close()  # The errors of the ssl module do not name it.
            security = Security(**{renamed.get(name, name): at for name, at in self._files.items()})
            usable = security.get_connection_args("client")["ssl_context"] is not None
        except OSError as error:
            name = error.filename or ", ".join(self._files.values())
            raise WorkersError(f"{name}: no usable certificate or key: {error.strerror}") from error
        if self.scheduler.startswith("tls://") and not usable:
            raise WorkersError(
                f"--scheduler={self.scheduler}: tls needs --tls_ca_file and --tls_cert"
            )
        return security


def _is_address(text: str) -> bool:
    with contextlib.suppress(ValueError):
        found = urlsplit(text if "://" in text else f"tcp://{text}")
        return found.scheme in ("tcp", "tls") and bool(found.hostname and found.port)
    return False


Item = TypeVar("Item")


@dataclasses.dataclass(frozen=True)
class Shard:
    """Share `number` of `of` shares, counted from 1. Raises ValueError for an invalid number."""

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
        """Parse text such as `3/16`. Raises ValueError."""
        found = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text.strip())
        if found is None:
            raise ValueError(f"--shard={text}: give it as 3/16, the third of sixteen shares")
        return cls(*map(int, found.groups()))

    def select(self, items: Sequence[Item]) -> Sequence[Item]:
        """Return the items of this share, in their order."""
        return items[self.number - 1 :: self.of]
