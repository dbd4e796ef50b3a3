"""Tells operators that something is amiss, without Prometheus: the alerts of docker/prometheus/alerts.yml.

rules       which there are, from which value on, and for how long before they fire
measuring   the values, read from the database
evaluation  fires and ends alerts; one of the sweepers does
receivers   operators who want mails, and their webhooks
silences    pauses of alerts
telling     the loop that mails and sends, beside the sweeper; any number may run
"""
