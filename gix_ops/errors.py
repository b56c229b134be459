"""What a verb cannot do, told to a person."""


class StackError(Exception):
    """The stack can't be read, or its engine not reached; the text says what to do."""
