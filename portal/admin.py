"""What libraries put into the admin and nobody may change there."""

from allauth.account.models import EmailAddress
from django.contrib import admin

admin.site.unregister(EmailAddress)  # an account's address is that of its user, whose changes the audit log tells
