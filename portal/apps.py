from allauth.usersessions import apps as usersessions
from django.apps import AppConfig


class UserSessionsConfig(usersessions.UserSessionsConfig):  # type: ignore[misc]
    """Leaves out allauth's signals, which ask for each session of a person when they sign in."""

    def ready(self) -> None:
        pass


class PortalConfig(AppConfig):
    name = "portal"
    default = True

    def ready(self) -> None:
        from portal import checks  # noqa: F401 - registers itself
        from portal.error_reports import log_uncaught

        log_uncaught()
