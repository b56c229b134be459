"""The options of each log driver, validated as the engine does.

The engine checks names when it creates a container, and most values only when it starts it. By then an update has
already removed the old container.
"""

import re
from collections.abc import Callable, Iterator, Mapping

_Check = Callable[[str], bool]
_Options = dict[str, tuple[_Check, str]]
"""By option: the check of its value, and what to write instead."""


def _matches(pattern: str) -> _Check:
    return lambda value: re.fullmatch(pattern, value, re.ASCII) is not None


_anything = _matches(r"(?s:.*)")
_size = _matches(r"(?=.*[1-9])\d+(?:\.\d+)? ?(?i:[kmgtp]?i?b?)")
_truth = _matches(r"[01tTfF]|(?i:true|false)")
_FACILITIES = "kern|user|mail|daemon|auth|syslog|lpr|news|uucp|cron|authpriv|ftp|local[0-7]|[0-9]|1[0-9]|2[0-3]"

_DELIVERY: _Options = {
    "mode": (_matches("blocking|non-blocking"), "blocking or non-blocking"),
    "max-buffer-size": (_size, "a size such as 4m"),
}
_CACHE: _Options = {
    "cache-disabled": (_truth, "true or false"),
    "cache-max-size": (_size, "a size such as 20m"),
    "cache-max-file": (_matches(r"0*[1-9]\d{0,5}"), "a number from 1 on"),
    "cache-compress": (_truth, "true or false"),
}
_ROTATION: _Options = {
    "max-size": (_size, "a size such as 10m"),
    "max-file": (_matches(r"0*[1-9]\d{0,5}"), "a number from 1 on"),
    "compress": (_truth, "true or false"),
}
_ATTRIBUTES: _Options = dict.fromkeys(("labels", "labels-regex", "env", "env-regex", "tag"), (_anything, ""))
_SYSLOG: _Options = {
    "syslog-address": (
        _matches(r"(?:(?:tcp|udp|tcp\+tls)://[^/\s]+|unix(?:gram)?:///.+)?"),
        "udp://HOST:PORT, tcp://HOST:PORT, tcp+tls://HOST:PORT or unix:///PATH",
    ),
    "syslog-facility": (_matches(f"(?:{_FACILITIES})?"), "a facility such as daemon or local0"),
    "syslog-format": (_matches(r"(?:rfc3164|rfc5424|rfc5424micro)?"), "rfc3164, rfc5424 or rfc5424micro"),
    **dict.fromkeys(
        ("syslog-tls-ca-cert", "syslog-tls-cert", "syslog-tls-key", "syslog-tls-skip-verify"), (_anything, "")
    ),
}
_OPTIONS: Mapping[str, _Options] = {
    "json-file": _ROTATION | _ATTRIBUTES | _DELIVERY,
    "local": _ROTATION | _DELIVERY,
    "journald": _ATTRIBUTES | _DELIVERY | _CACHE,
    "syslog": _SYSLOG | _ATTRIBUTES | _DELIVERY | _CACHE,
    "none": {},
}


def wrong(driver: str, options: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Each option that the engine would refuse, with the limit and the fix."""
    known = _OPTIONS[driver]
    for option, value in options.items():
        if option not in known:
            fix = f"the options of {driver} are {', '.join(known)}" if known else "leave it out"
            yield option, f"is not an option of the log driver {driver}", fix
        elif not known[option][0](value):
            yield option, f"has a value that the log driver {driver} does not accept", f"write {known[option][1]}"
    if "max-buffer-size" in options and "max-buffer-size" in known and options.get("mode") != "non-blocking":
        yield "max-buffer-size", "is only for the mode non-blocking", "set mode to non-blocking, or leave it out"
    if driver in ("json-file", "local"):
        yield from _compression(driver, options)


def _compression(driver: str, options: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """The problem of a compression with one file: only files that are no longer written are compressed."""
    by_default = driver == "local"
    compressed = options.get("compress", str(by_default)).lower() in ("1", "t", "true")
    files = options.get("max-file", "5" if by_default else "1")
    if compressed and (files.lstrip("0") == "1" or (driver == "json-file" and "max-size" not in options)):
        option = "compress" if "compress" in options else "max-file"
        yield option, "needs two or more files, and a max-size", "set max-file to 2 or more, and max-size"
