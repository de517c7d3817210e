"""The one error a user causes and can mend."""


class UserError(Exception):
    """A mistake in the input or in its use: printed as its message, without a traceback."""
