"""Naming clusters after known generators, and the served model."""
