"""The shapes of the native API's answers: times in UTC (RFC 3339), durations in seconds, links as paths."""
