"""From a request of the protocol to what it may use."""

from __future__ import annotations

from dataclasses import replace

from mcp.server import ServerRequestContext

from pansophy.server.keys import EVERYBODY, Access
from pansophy.server.mcp.offer import Desk


def desk_of(context: ServerRequestContext[Desk]) -> Desk:
    """The desk, with the corpora alone that the request's key is for.

    Over HTTP behind the service's guard every request tells what its key may do; anywhere else there are no keys.
    """
    access: Access = getattr(getattr(context.request, "state", None), "access", EVERYBODY)
    desk = context.lifespan_context
    return replace(desk, offer=desk.offer.only(access.corpora))
