"""Recordings by URL: a request creates a Fetch, a process beside the sweeper downloads it, intake accepts the file.

A fetch is a row of its own until its file has arrived, because a recording has bytes, a length and a checksum.
"""
