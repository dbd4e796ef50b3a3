"""Sends events to tenants' programs, by Standard Webhooks (https://www.standardwebhooks.com).

events      the content of each event
outbox      writes events and deliveries in the transaction that causes them
deliveries  claims due deliveries, writes their outcomes, gives access to the log
dispatcher  the loop that sends, beside the sweeper; any number may run
endpoints   access to a tenant's endpoints
signing     secrets and signatures
"""
