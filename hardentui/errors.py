"""The one family of errors that a person at the keyboard can put right."""


class InputError(Exception):
    """Input that cannot be used; every line of the message is a sentence that says what is wrong where."""
