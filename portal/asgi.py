"""The web process: pages, REST and WebSockets behind one ASGI application."""

import os
from typing import cast

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

from django.core.asgi import get_asgi_application

pages = get_asgi_application()

from channels.routing import ProtocolTypeRouter  # noqa: E402

from portal.consumers import sockets  # noqa: E402
from portal.health import PromptHealth  # noqa: E402
from portal.http.disconnects import HangUpMiddleware  # noqa: E402
from portal.http.reset_links import ResetLinkMiddleware  # noqa: E402
from portal.http.thread_pools import SharedThreads  # noqa: E402
from portal.http.trailing_slashes import WithoutTrailingSlash  # noqa: E402
from portal.http.tus import ResumableMiddleware  # noqa: E402
from portal.http.uploads import Application, UploadMiddleware  # noqa: E402

uploads = ResumableMiddleware(UploadMiddleware(HangUpMiddleware(cast(Application, pages))))
application = WithoutTrailingSlash(
    SharedThreads(
        ProtocolTypeRouter(
            {
                "http": ResetLinkMiddleware(PromptHealth(uploads)),
                "websocket": sockets,
            }
        )
    )
)
