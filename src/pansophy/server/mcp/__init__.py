"""An MCP server: other models' programs ask, search and read corpora through the Model Context Protocol.

`offer.py` says what is offered, `tools.py` and `resources.py` do what a client asks for, `wording.py` puts results into
text in which documents' words are set apart, `serving.py` ties them to the official SDK and its transports. Needs the
extra `serve`.
"""

from pansophy.server.mcp.offer import Desk, Offer
from pansophy.server.mcp.serving import add_to, build_server, http_app, serve_stdio

__all__ = ["Desk", "Offer", "add_to", "build_server", "http_app", "serve_stdio"]
