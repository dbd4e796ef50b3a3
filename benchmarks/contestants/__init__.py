"""The systems that `benchmarks.engine` compares, each in a process of its own.

Reading order: entries (who takes part), process (the caller's end of the pipes), serve (the other end), systems
(others' libraries), ours; models and ggml convert the weights for those that want other files.
"""
