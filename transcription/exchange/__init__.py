"""Folders, buckets and mailboxes of a tenant: exports go there when a text is done, and files come from there.

models      places, deliveries to them, arrivals from them
places      access to a tenant's places
disk        folders under EXCHANGE_ROOT, without a way out of a tenant's own one
deliveries  which recordings are to be delivered, claims, and how they end
trial       tries whether a place works
sender      renders and writes, beside the sweeper; any number may run

What arrives is taken in by transcription.inbox.
"""
