"""The web process: pages, REST and WebSockets behind one ASGI application."""

import gc
import os
from importlib import import_module
from typing import cast

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

from django.conf import settings
from django.core.asgi import get_asgi_application

from portal.http import metrics_folder

os.environ[metrics_folder.VARIABLE] = metrics_folder.prepared(settings.RUN_DIR)
django = get_asgi_application()

from channels.routing import ProtocolTypeRouter  # noqa: E402
from django.template.loader import get_template  # noqa: E402

from portal.consumers import sockets  # noqa: E402
from portal.http.asgi import Application  # noqa: E402
from portal.http.body_limit import BodyLimitMiddleware  # noqa: E402
from portal.http.disconnects import DisconnectMiddleware  # noqa: E402
from portal.http.mail_links import MailLinkMiddleware  # noqa: E402
from portal.http.receiving import ReceivingMiddleware  # noqa: E402
from portal.http.request_id import RequestIdMiddleware  # noqa: E402
from portal.http.request_metrics import RequestMetricsMiddleware  # noqa: E402
from portal.http.routes import Body, RoutingMiddleware  # noqa: E402
from portal.http.thread_pools import ThreadPoolMiddleware  # noqa: E402
from portal.http.tracing import TracingMiddleware  # noqa: E402
from portal.http.tus import open_chunk  # noqa: E402
from portal.http.uploads import IncomingForm  # noqa: E402
from portal.probes import ProbeMiddleware  # noqa: E402
from portal.registration import LifespanMiddleware  # noqa: E402

views = DisconnectMiddleware(cast(Application, django))
bodies = BodyLimitMiddleware(ReceivingMiddleware(views, {Body.FILE: IncomingForm, Body.CHUNK: open_chunk}))
http = MailLinkMiddleware(ProbeMiddleware(bodies))
protocols = cast(Application, ProtocolTypeRouter({"http": http, "websocket": sockets}))
routed = RequestIdMiddleware(TracingMiddleware(RoutingMiddleware(ThreadPoolMiddleware(protocols))))
application = LifespanMiddleware(RequestMetricsMiddleware(routed))

import_module(settings.ROOT_URLCONF)
for template in (settings.BASE_DIR / "templates").rglob("*.html"):
    get_template(str(template.relative_to(settings.BASE_DIR / "templates")))
gc.collect()
gc.freeze()  # looking through all that is loaded, now and then, would stop every request for a tenth of a second
