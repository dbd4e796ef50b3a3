"""Pictures of every page for docs/images, in both themes and languages."""
