"""Telling programs what happened, by Standard Webhooks (https://www.standardwebhooks.com).

events      what is told, and its words
outbox      rows written in the transaction that makes it so
deliveries  who may send one when, by claim and lease; what came of it; the log and its doors
dispatcher  the loop that sends, beside the sweeper; any number may run
endpoints   the doors to a tenant's receivers
signing     secrets and signatures
"""
