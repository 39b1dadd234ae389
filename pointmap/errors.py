"""What can go wrong on the user's side."""


class InputError(ValueError):
    """The input or a setting cannot be used; the message says why and what to do.

    The command line prints the message alone and exits with code 2.
    """


class Cancelled(Exception):
    """Raised by a progress callback to stop a running reconstruction; nothing half-written stays behind."""
