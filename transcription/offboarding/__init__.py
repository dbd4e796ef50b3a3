"""The end of a tenant: an archive of everything, then erasing it, with a signed receipt of what was erased."""
