"""Videos with subtitles: asked for, made beside the sweeper, fetched, and deleted after some days."""
