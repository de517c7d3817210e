"""Naming clusters after known generators, together and one image at a time."""
