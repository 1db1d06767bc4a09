"""Accounts from a TOML file (``--accounts FILE``): ``[[account]]`` with the members of ``AccountSpec``."""

import dataclasses
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Any

from desk.sim.config import AccountSpec

_INT32 = 2**31


class AccountFileError(ValueError):
    """The file cannot be used; one line that names file, account and member."""


def read_accounts(path: Path) -> tuple[AccountSpec, ...]:
    """The accounts in their order. Raises AccountFileError."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except OSError as exc:
        raise AccountFileError(f"accounts file {path}: {exc.strerror}") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise AccountFileError(f"accounts file {path}: {exc}") from exc
    try:
        return _accounts_of(document)
    except AccountFileError as exc:
        raise AccountFileError(f"accounts file {path}: {exc}") from exc


def _accounts_of(document: dict[str, Any]) -> tuple[AccountSpec, ...]:
    rows = document.get("account")
    if set(document) != {"account"} or not isinstance(rows, list) or not rows:
        raise AccountFileError("write one [[account]] per account and nothing else")
    made: list[AccountSpec] = []
    for number, row in enumerate(rows, 1):
        try:
            made.append(_account_of(row))
        except AccountFileError as exc:
            raise AccountFileError(f"account {number}: {exc}") from exc
    for name in ("id", "name"):
        values = [getattr(spec, name) for spec in made]
        doubled = {value for value in values if values.count(value) > 1}
        if doubled:
            raise AccountFileError(f"{name} {min(doubled)} is there twice")
    return tuple(made)


def _account_of(row: object) -> AccountSpec:
    if not isinstance(row, dict):
        raise AccountFileError("not a table")
    fields = {one.name: one for one in dataclasses.fields(AccountSpec)}
    unknown = sorted(set(row) - set(fields))
    if unknown:
        raise AccountFileError(f"there is no {', '.join(unknown)}; there are {', '.join(fields)}")
    needed = [name for name, one in fields.items() if one.default is dataclasses.MISSING]
    missing = [name for name in needed if name not in row]
    if missing:
        raise AccountFileError(f"{', '.join(missing)} missing")
    spec = AccountSpec(**{name: _value(name, str(fields[name].type), value) for name, value in row.items()})
    if not 0 < spec.id < _INT32:
        raise AccountFileError(f"id: {spec.id} is no 32-bit number above 0")
    return spec


def _value(name: str, kind: str, value: Any) -> Any:
    """A TOML value as the field's type."""
    if "bool" in kind:
        wanted, fits = "true or false", isinstance(value, bool)
    elif "Decimal" in kind:
        wanted, fits = "a number", isinstance(value, int | Decimal) and not isinstance(value, bool)
        value = Decimal(value) if fits else value
        fits = fits and value.is_finite()
    elif "int" in kind:
        wanted, fits = "a whole number", isinstance(value, int) and not isinstance(value, bool)
    else:
        wanted, fits = "a text", isinstance(value, str) and bool(value)
    if not fits:
        raise AccountFileError(f"{name}: {value!r} is not {wanted}")
    return value
