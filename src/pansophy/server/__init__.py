"""The HTTP service: a REST API, OpenAI's API, and room for a page and for MCP beside them.

    from pansophy.server import ServerSettings, create_app
    app = create_app(ServerSettings(model="gpt-4o-mini"))      # an ASGI application

Thin, as the command line is: it parses, calls and shows. Needs `pip install 'pansophy[serve]'`.
"""

from pansophy.server.app import create_app, mount, service_of
from pansophy.server.settings import ServerSettings

__all__ = ["ServerSettings", "create_app", "mount", "service_of"]
