"""The web process: pages, REST and WebSockets behind one ASGI application."""

import os
from typing import cast

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

from django.core.asgi import get_asgi_application

pages = get_asgi_application()

from channels.routing import ProtocolTypeRouter  # noqa: E402

from portal.hangups import HangUpMiddleware  # noqa: E402
from portal.health import PromptHealth  # noqa: E402
from portal.live import sockets  # noqa: E402
from portal.receive import Application, UploadMiddleware  # noqa: E402
from portal.resetlinks import ResetLinkMiddleware  # noqa: E402
from portal.resumable import ResumableMiddleware  # noqa: E402
from portal.slashes import WithoutTrailingSlash  # noqa: E402
from portal.threads import SharedThreads  # noqa: E402

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
