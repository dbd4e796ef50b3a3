"""Notes the sessions that began before they were noted, so that people see them among their devices."""

from importlib import import_module

from django.conf import settings
from django.db import migrations
from django.utils import timezone

BATCH = 500
UNKNOWN_ADDRESS = "0.0.0.0"


def note(apps, schema_editor):
    decode = import_module(settings.SESSION_ENGINE).SessionStore().decode
    users = {str(pk) for pk in apps.get_model("tenants", "User").objects.values_list("pk", flat=True)}
    UserSession = apps.get_model("usersessions", "UserSession")
    going_on = apps.get_model("sessions", "Session").objects.filter(expire_date__gt=timezone.now())
    found = []
    for session in going_on.iterator(BATCH):
        user_id = str(decode(session.session_data).get("_auth_user_id", ""))
        if user_id in users:
            found.append(UserSession(session_key=session.session_key, user_id=user_id, ip=UNKNOWN_ADDRESS, user_agent=""))
        if len(found) >= BATCH:
            UserSession.objects.bulk_create(found, ignore_conflicts=True)
            found.clear()
    UserSession.objects.bulk_create(found, ignore_conflicts=True)


class Migration(migrations.Migration):
    dependencies = [
        ("tenants", "0006_terms_to_hear"),
        ("sessions", "0001_initial"),
        ("usersessions", "0001_initial"),
    ]

    operations = [migrations.RunPython(note, migrations.RunPython.noop, elidable=True)]
