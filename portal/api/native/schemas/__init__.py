"""The schemas of the native API: bodies that it reads are Pydantic models, bodies that it answers are TypedDicts.

Times are in UTC (RFC 3339), durations in seconds, links are paths.
"""
