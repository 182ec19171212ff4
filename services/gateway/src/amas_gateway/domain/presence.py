"""Whether the client of a request is still there, for whoever lets it wait long; only an entrypoint can know.

Where nobody watches (a background task, gRPC, which cancels by itself), nobody is thought to go away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext
from contextvars import ContextVar

Watch = Callable[[], AbstractAsyncContextManager[object]]

_watch: ContextVar[Watch] = ContextVar("amas_gateway_client_watch", default=nullcontext)


def while_there() -> AbstractAsyncContextManager[object]:
    """`async with while_there():` ends its block, with the watch's own error, when the client goes away."""
    return _watch.get()()


@contextmanager
def watched_by(watch: Watch) -> Iterator[None]:
    """What is served inside knows its client by `watch`."""
    token = _watch.set(watch)
    try:
        yield
    finally:
        _watch.reset(token)
