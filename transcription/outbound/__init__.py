"""The only exit to addresses that users name: `download` a recording, `post` a webhook.

A URL is read by one parser (`target`), its host resolved once (`connecting`), each address judged (`networks`), and the
connection made to those very addresses: a name that answers differently the second time is never asked twice.
Nothing of the environment (proxies, .netrc) and no cookie takes part, and each exchange has a deadline of its own.
"""
