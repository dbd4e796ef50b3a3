"""SCIM 2.0 at /scim/v2/: an organisation's directory makes, changes and ends its people's memberships.

The protocol is scim2-server's; `storage` says what it means here.
"""
