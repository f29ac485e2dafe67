"""Things of a user's own that an option names as `module:attribute`."""

from __future__ import annotations

import importlib
from types import ModuleType

from agents.errors import UserError, shown


def module_of(what: str, name: str, example: str) -> tuple[ModuleType, str]:
    """Imports the module that a name speaks of.

    Args:
      what: begins the messages, such as `known reward`.
      name: `module:attribute`.
      example: of one, for the message.

    Returns:
      The module, and the attribute's name, which it may not have.

    Raises:
      UserError: the name is of another form, or the module cannot be imported.
    """
    module_name, _, attribute = name.partition(":")
    if not module_name or module_name.startswith(".") or not attribute:
        raise UserError(
            f"{what} {shown(name)} is not of the form 'module:attribute', such as {example!r}"
        )
    try:
        return importlib.import_module(module_name), attribute
    except ImportError as error:
        message = " ".join(str(error).split())
        raise UserError(
            f"{what} {shown(name)} cannot be imported: {message}; allowed: "
            "'module:attribute' with a module that Python finds"
        ) from error
