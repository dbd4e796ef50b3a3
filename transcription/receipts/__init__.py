"""Receipts: signed records of what became of a recording, or of a deleted tenant."""
