"""Recordings by URL: asked for in a request, fetched beside the sweeper, accepted like an upload.

A fetch is a row of its own until its file has arrived: a recording without bytes, length and checksum would be none.
"""
