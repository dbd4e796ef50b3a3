"""The web process: pages, REST and WebSockets behind one ASGI application."""

import os
from typing import cast

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

from django.core.asgi import get_asgi_application

pages = get_asgi_application()

from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from channels.security.websocket import AllowedHostsOriginValidator  # noqa: E402
from channels.sessions import CookieMiddleware  # noqa: E402

from portal.live import routes  # noqa: E402
from portal.receive import Application, UploadMiddleware  # noqa: E402
from portal.resumable import ResumableMiddleware  # noqa: E402

application = ProtocolTypeRouter(
    {
        "http": ResumableMiddleware(UploadMiddleware(cast(Application, pages))),
        "websocket": AllowedHostsOriginValidator(CookieMiddleware(URLRouter(routes))),
    }
)
