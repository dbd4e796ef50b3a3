"""The pages behind share links, for people without an account."""
