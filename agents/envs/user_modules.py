"""A user's own rewards and dynamics, named by an option as `module:attribute`."""

import importlib
from typing import TypeVar

from agents.errors import UserError, one_line, shown

_Kind = TypeVar("_Kind")


def find(option: str, name: str, kind: type[_Kind], example: str) -> _Kind:
    """Imports the object that a name refers to.

    Args:
      option: begins the messages, such as `--dynamics`.
      name: `module:attribute`.
      kind: of the object.
      example: of a name, for the message.

    Raises:
      UserError: the name is of another form, the module cannot be imported, or the attribute is
        missing or of another kind.
    """
    module_name, _, attribute = name.partition(":")
    if not module_name or module_name.startswith(".") or not attribute:
        raise UserError(
            f"{option}: {shown(name)} is not of the form 'module:attribute', such as {example!r}"
        )
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise UserError(
            f"{option}: {shown(name)} cannot be imported: {one_line(error)}; allowed: "
            "'module:attribute' with a module that Python finds"
        ) from error
    found = getattr(module, attribute, None)
    if not isinstance(found, kind):
        what = f"of type {type(found).__name__}" if hasattr(module, attribute) else "missing"
        raise UserError(
            f"{option}: {shown(name)} is {what}; allowed: an {kind.__module__}.{kind.__name__}"
        )
    return found
