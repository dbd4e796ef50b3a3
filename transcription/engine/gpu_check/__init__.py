"""Whether a GPU runs the engine right and fast, tried in child processes, and what to run on where it doesn't."""
