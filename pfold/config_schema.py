"""Configurations checked by a JSON schema: what is wrong is named, an unknown key with the nearest known one."""

import difflib
import math
from collections.abc import Mapping
from typing import Any, cast

from jsonschema import Draft202012Validator, ValidationError, validators

from pfold.errors import ConfigError


def checked(raw: Mapping[str, Any], schema: Mapping[str, Any], source: str) -> dict[str, Any]:
    """The keys with the schema's defaults filled in. Raises ConfigError naming the source and the key."""
    error = next(iter(sorted(_Validator(schema).iter_errors(dict(raw)), key=_importance)), None)
    if error is not None:
        raise ConfigError(f"{source}: {_explain(error)}")
    return with_defaults(raw, schema)


def _is_whole(_: Any, value: object) -> bool:
    """JSON Schema calls 5.0 an integer; a count is written without a point."""
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(_: Any, value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


_Validator = validators.extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_whole).redefine("number", _is_number),
)


def _importance(error: ValidationError) -> tuple[bool, list[str]]:
    return error.validator != "additionalProperties", [str(part) for part in error.absolute_path]


def with_defaults(value: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """The keys with the defaults of an object's schema, and of the objects in it, where they are left out."""
    filled = dict(value)
    for key, rule in schema["properties"].items():
        if "default" in rule:
            filled.setdefault(key, rule["default"])
        if rule.get("type") == "object":
            filled[key] = with_defaults(filled[key] or {}, rule)
    return filled


def _explain(error: ValidationError) -> str:
    where = ".".join(str(part) for part in error.absolute_path)
    schema = cast(dict[str, Any], error.schema)
    if error.validator == "additionalProperties":
        known = list(schema["properties"])
        unknown = next(key for key in cast(dict[str, Any], error.instance) if key not in known)
        nearest = difflib.get_close_matches(str(unknown), known, n=1, cutoff=0.0)[0]
        key = f"{where}.{unknown}" if where else unknown
        return f'the key "{key}" is unknown; did you mean "{nearest}"?'
    meaning = schema.get("description", "")
    return f'"{where}": {error.message}' + (f" ({meaning})" if meaning else "") if where else error.message
