"""All connections to addresses that users name: `download` of recordings, `post` of webhooks, JSON of OpenID
providers, S3 buckets of tenants.

A URL is parsed by one parser (`target`), its host resolved once (`connecting`), each address checked (`networks`), and
the connection made to the checked addresses, so that DNS rebinding has no effect. Proxies and .netrc of the environment
and cookies are not used, and each exchange has a deadline.
"""
