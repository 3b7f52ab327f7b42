"""A configuration as plain attributes, and what all families ask of one.

Recipes read attributes: whether a configuration came from a config file, a command line
or a run's `config.json` is the same to them.
"""

import hashlib
import inspect
import json
import math
import re
from collections.abc import Callable, Collection, Mapping
from types import SimpleNamespace
from typing import Any

# Where data lies, and what is kept along the way, is not part of what a run is.
PLACES = ("data_dir", "pictures_outside", "counterfactuals_dir", "keep_every")
QUICKTEST = "quicktest"  # the variant of two steps that every config has


class Settings(SimpleNamespace):
    """Keys as attributes; nested ones are `Settings`, sequences are tuples.

    >>> Settings(seed=0, gan=Settings(flip=True)).gan.flip
    True
    """

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise MissingKeyError(f"the configuration has no key {name!r}: give it")


class MissingKeyError(ValueError, AttributeError):
    """A key that a configuration lacks; `getattr(config, key, default)` still works."""


def plain(config: Any) -> Settings:
    """A configuration as `Settings`.

    Args:
      config: `Settings`, a mapping, or whatever has `to_dict()`, such as an
        `ml_collections.ConfigDict`.
    """
    return _plain(to_dict(config))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return Settings(**{key: _plain(item) for key, item in value.items()})
    if isinstance(value, list | tuple):
        return tuple(map(_plain, value))
    return value


def to_dict(config: Any) -> dict[str, Any]:
    """A configuration as it is read back from JSON: nested dicts, lists."""
    if hasattr(config, "to_dict"):
        config = config.to_dict()
    return json.loads(json.dumps(config, default=_jsonable))


def _jsonable(value: Any) -> Any:
    return vars(value) if isinstance(value, Settings) else list(value)


def with_keys(config: Settings, **changed: Any) -> Settings:
    """The configuration with other values for some keys."""
    return Settings(**{**vars(config), **changed})


def config_hash(config: Settings) -> str:
    """Twelve hex digits that name a configuration, but for its `PLACES`."""
    kept = {k: v for k, v in to_dict(config).items() if k not in PLACES}
    text = json.dumps(kept, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


# --- checks ---------------------------------------------------------------------------


def require_one_of(key: str, value: str, known: Collection[str]) -> None:
    """Raises ValueError with the values that a config key may have."""
    if value not in known:
        raise ValueError(f"{key} is one of {', '.join(known)}, not {value!r}")


def require_known(
    name: str, algorithm_fn: Callable, settings: Settings, given: Collection[str]
) -> None:
    """Raises where an algorithm is given a setting that it has not or cannot take.

    Numbers of settings, rates and weights alike, are finite and at least 0; what
    is a whole number by default stays one, at least 1 unless its default is 0.

    Args:
      name: the algorithm's, for the message.
      algorithm_fn: what takes the settings as keyword-only arguments.
      settings: the config's.
      given: arguments that are no settings.
    """
    has = {
        key: parameter.default
        for key, parameter in inspect.signature(algorithm_fn).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY and key not in given
    }
    unknown = [key for key in vars(settings) if key not in has]
    if unknown:
        raise ValueError(
            f"{name} has no setting {', '.join(map(repr, unknown))}: it has "
            f"{', '.join(has)}"
        )
    for key, value in vars(settings).items():
        _require_numbers(f"{name}'s {key}", value, has[key])


def _require_numbers(what: str, value: Any, default: Any) -> None:
    """Raises ValueError on a number that no setting can be, however deep."""
    if isinstance(value, Settings):
        for key, part in vars(value).items():
            _require_numbers(f"{what}.{key}", part, None)
    elif isinstance(value, list | tuple):
        is_sequence = isinstance(default, list | tuple) and default
        for part in value:
            _require_numbers(what, part, default[0] if is_sequence else None)
    elif type(default) is int:
        least = min(default, 1)
        if type(value) is not int or value < least:
            raise ValueError(
                f"{what} is a whole number of at least {least}, not {value!r}"
            )
    elif isinstance(value, int | float) and not 0 <= value < math.inf:
        raise ValueError(f"{what} is a finite number of at least 0, not {value}")


# --- variants of config files ---------------------------------------------------------


def variants(text: str | None) -> list[str]:
    """The parts of a variant: `:complete_all,quicktest` has two.

    They apply in the order given, but `quicktest` after all others: no variant may
    bring back what it has made small.
    """
    parts = [part for part in (text or "").split(",") if part]
    return sorted(parts, key=lambda part: part == QUICKTEST)


def unknown_variant(variant: str, existing: list[str]) -> SystemExit:
    """A usage error: a variant that a config does not have."""
    shown = ", ".join([*existing, QUICKTEST])
    return SystemExit(f"usage: unknown variant {variant!r}: there are {shown}")


# What the keys are that every config has, for --help.
KEYS_OF_ALL = {
    "data_dir": "folder of prepared data sets; $TFDS_DATA_DIR if empty",
    "name": "of the config",
    "seed": "of everything that is drawn, 0 to 2^32 - 1",
}

_SECTION = re.compile(r"^(Args|Attributes):$", re.M)


def described(documented: Any) -> dict[str, str]:
    """{argument: what its documentation says of it}, of a function or class.

    >>> sorted(described(described))
    ['documented']

    Args:
      documented: a function with "Args:", or a class with "Attributes:".
    """
    text = inspect.getdoc(documented) or ""
    found, name = {}, ""
    section = _SECTION.split(text)[2:3]
    for line in section[0].splitlines()[1:] if section else ():
        if not line.startswith("  "):
            break
        if line.startswith("    "):
            found[name] += f" {line.strip()}"
        else:
            name, _, meaning = line.strip().partition(": ")
            found[name] = meaning
    return found


def described_groups(groups: dict[str, Any]) -> dict[str, str]:
    """{group.argument: what its documentation says}, of {group: function or class}.

    >>> described_groups({"text": described})
    {'text.documented': 'a function with "Args:", or a class with "Attributes:".'}
    """
    return {
        f"{group}.{name}": text
        for group, documented in groups.items()
        for name, text in described(documented).items()
    }
