"""The errors that a user's input can raise, and how values and texts are shown in them."""

import reprlib

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 200

_YAML_NAMES = {None: "null", True: "true", False: "false"}


class UserError(ValueError):
    """Bad input: a value, a file or a directory that cannot be used.

    The message is one line that names what was received and what is allowed. Scripts print it after
    `error: ` on standard error and exit with status 2; every other exception is a defect and keeps
    its traceback.
    """


class EnvironmentFaultError(UserError):
    """The user's environment raised an error or broke Gymnasium's interface.

    What its own code raised, if anything, is the cause.
    """


class UnwritableError(UserError):
    """A file that cannot be written, as on a full disk."""


def shown(value: object) -> str:
    """Writes a received value so that it fits in one line of an error message.

    Texts are quoted and control characters escaped, so that a file name cannot break the line or
    colour the terminal; what is longer than 200 characters loses its middle.

    Args:
        value: whatever was received; true, false and null are written as in YAML.
    """
    if value is None or isinstance(value, bool):
        return _YAML_NAMES[value]
    return _SHORT.repr(value)


def one_line(thing: object, longest: int = 240) -> str:
    """What a foreign library has to say, without line breaks and control characters.

    Args:
        thing: an error or a value whose text is not ours.
        longest: characters, after which the text is cut off with `...`.
    """
    text = " ".join(str(thing).split())
    text = "".join(character for character in text if character.isprintable())
    return text if len(text) <= longest else text[: longest - 3] + "..."
