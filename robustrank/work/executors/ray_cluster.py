"""Tasks on a Ray cluster, or on a Ray started for the occasion on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from robustrank.core.errors import MissingExtra
from robustrank.core.interfaces import Item, Result


@dataclass(frozen=True, kw_only=True)
class Ray:
    """Ray workers; each process loads what it needs once and keeps it for its later tasks.

    Every machine of the cluster needs this package, the plug-ins and the files that the audit file names.

    Args:
        address: Of a running cluster, for example ``"auto"``; by default Ray is started here.
    """

    address: str | None = None

    def run(self, function: Callable[[Item], Result], items: Iterable[Item], /) -> Iterator[Result]:
        """Results as they finish.

        Raises:
            MissingExtra: Ray is not installed.
        """
        try:
            import ray
        except ImportError as error:
            raise MissingExtra("the ray executor", extra="ray", package="ray") from error

        if not ray.is_initialized():
            ray.init(address=self.address, include_dashboard=False, log_to_driver=False)

        def call(item: Item) -> Result:  # ray takes functions only, and ours may be a partial
            return function(item)

        task = ray.remote(call)
        waiting = [task.remote(item) for item in items]
        while waiting:
            done, waiting = ray.wait(waiting)
            try:
                yield ray.get(done[0])
            except ray.exceptions.RayTaskError as error:
                raise error.cause from None
