"""Archives and erases tenants, with a signed receipt of what was erased."""
