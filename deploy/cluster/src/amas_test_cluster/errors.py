"""What may go wrong, as a sentence with the next step. Nothing else reaches the user."""


class ClusterError(Exception):
    """A failure that the user can do something about; its text says what."""
