"""Options of methods: from text to the values that a signature asks for."""

from collections.abc import Callable, Mapping
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from pointmap.errors import InputError


def option_types(function: Callable[..., Any]) -> dict[str, Any]:
    """Annotations of the parameters of a function, by name."""
    hints = get_type_hints(function)
    hints.pop("return", None)
    return hints


def parse_options(kind: str, options: Mapping[str, str], types: Mapping[str, Any]) -> dict[str, Any]:
    """Values of a method's options.

    Raises:
        InputError: An unknown option, or a value that it cannot have: lists what there is.
    """
    for name in options:
        if name not in types:
            known = ", ".join(types) or "none"
            raise InputError(f"Method {kind!r} has no option {name!r}. It has: {known}.")
    return {name: parse_value(f"{kind}:{name}", text, types[name]) for name, text in options.items()}


def parse_value(name: str, text: str, annotation: Any) -> Any:
    """One value; of a union the first member that can be read, strings last.

    Raises:
        InputError: It can be none of them: says what is expected.
    """
    parts = [annotation] if get_origin(annotation) is Literal else list(get_args(annotation)) or [annotation]
    choices: list[str] = []
    for part in parts:
        if get_origin(part) is Literal:
            choices += [str(choice) for choice in get_args(part)]
            for choice in get_args(part):
                if text == str(choice):
                    return choice
        elif part is NoneType:
            choices.append("none")
            if text.lower() == "none":
                return None
        elif part is bool:
            choices += ["true", "false"]
            if text.lower() in ("true", "false"):
                return text.lower() == "true"
        elif part in (int, float):
            choices.append("a whole number" if part is int else "a number")
            try:
                return part(text)
            except ValueError:
                continue
    if str in parts:
        return text
    raise InputError(f"{name} is {text!r}; it can be {', '.join(choices)}.")


def shown(value: object) -> str:
    """A value as it is written on the command line, of letters that files may have in their names."""
    text = "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return "".join(letter if letter.isalnum() or letter in "._-+=" else "_" for letter in text)


def named(stem: str, options: Mapping[str, object]) -> str:
    """`stem+name=value+name=value`, in the order of names."""
    return stem + "".join(f"+{name}={shown(value)}" for name, value in sorted(options.items()))
