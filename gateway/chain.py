"""The chain of responsibility: middlewares around a handler, each deciding whether and how to call the next."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence

from gateway.types import Call, Handler, Middleware, Reply


def compose(middlewares: Sequence[Middleware], handler: Handler) -> Handler:
    """Return one handler that runs `middlewares` in the order given, the first outermost, around `handler`.

    Nothing is looked up per call: the closures are made once, when the snapshot is built.
    """
    for middleware in reversed(middlewares):
        handler = _link(middleware, handler)
    return handler


async def close(reply: Reply) -> None:
    """Run every closer, newest first, whatever the others do; then raise the first error, if any.

    A middleware that has a reply and does not return it must close it. Closing twice does no harm.
    """
    first: BaseException | None = None
    for closer in reversed(reply.closers):
        try:
            await closer()
        except BaseException as error:  # kept and raised below, so that one broken closer never leaks what others hold
            first = first or error
    if first is not None:
        raise first


def _link(middleware: Middleware, handler: Handler) -> Handler:
    def linked(call: Call) -> Awaitable[Reply]:
        return middleware(call, handler)  # no coroutine of its own: every await below would pass through it

    return linked
