"""Removes passwords, tokens and user names from text that people will read or files will keep."""

from __future__ import annotations

import os
import re
import sys
from typing import Any, TextIO
from urllib.parse import parse_qsl, quote, quote_plus, unquote, unquote_plus

_WORDS = r"[\w-]*(?:password|passwd|pwd|passphrase|token|secret|credentials?|api_?key|access_?key|user(?:name)?)"
_NAMED = re.compile(rf"(?i)(?<![A-Za-z0-9])({_WORDS}['\"]?(?:=|%3D|['\"]:\s?)['\"]?)[^&\s;'\",)}}]+")
_HEADER = re.compile(r"(?i)(authorization['\"]?\s*[:=]\s*['\"]?(?:basic|bearer)\s+)[^\s'\",]+")
# Up to the last @ of the word: a password that was not percent-encoded may contain '/', '@' and ':'.
# The scheme must start at its first letter; otherwise a long word takes quadratic time.
_USER = re.compile(r"((?<![A-Za-z])[A-Za-z][\w+.-]*://)[^\s'\"]*@")
_ODBC = re.compile(r"(?i)(odbc_connect=)[^&\s'\"]+")
ENVIRONMENT = ("MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")


def secrets_in(uri: str) -> set[str]:
    """The passwords in a URI, encoded and decoded.

    Passwords of fewer than four letters are left out: most texts contain them.

    Args:
        uri: a tracking or database URI.

    Returns:
        Every spelling of each password.
    """
    passwords = set()
    if match := re.match(r"[A-Za-z][\w+.-]*://[^:/?#]*:(.*)@", uri, re.S):
        passwords.add(match[1])
    query = uri.partition("?")[2]
    passwords |= {
        value for key, value in parse_qsl(query) if re.fullmatch(_WORDS, key, re.I) and "user" not in key.lower()
    }
    passwords |= set(re.findall(r"(?i)(?:password|pwd|token|secret)=([^;&]+)", unquote_plus(query)))
    spellings = (str, unquote, unquote_plus, quote, quote_plus, lambda s: quote(s, safe=""), lambda s: repr(s)[1:-1])
    passwords |= {unquote(secret) for secret in passwords}
    return {spell(secret) for secret in passwords for spell in spellings if len(secret) >= 4}


def without_secrets(text: str, *uris: str) -> str:
    """Remove user names and passwords from every URI, query, header and connection string in a text.

    Args:
        text: any text.
        *uris: tracking URIs in use besides the environment's; their passwords are removed wherever they occur.

    Returns:
        The text with *** for each secret.
    """
    uri, *others = (os.environ.get(name, "") for name in ENVIRONMENT)
    known = {s for s in others if len(s) >= 4}.union(*(secrets_in(u) for u in (uri, *uris)))
    for secret in sorted(known, key=len, reverse=True):
        text = text.replace(secret, "***")
    text = _USER.sub(r"\1***@", text)
    text = _ODBC.sub(r"\1***", text)
    return _NAMED.sub(r"\1***", _HEADER.sub(r"\1***", text))


class Redacted:
    """A text stream that removes secrets from what is written to it.

    Args:
        stream: receives the text.
        *uris: tracking URIs whose passwords are secret.
    """

    def __init__(self, stream: TextIO, *uris: str):
        self._stream, self._uris = stream, uris

    def write(self, text: str) -> int:
        """Write a text without secrets.

        Args:
            text: what may contain secrets.

        Returns:
            Number of characters of `text`, as streams return it.
        """
        self._stream.write(without_secrets(text, *self._uris))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def redact_output(*uris: str) -> None:
    """Remove secrets from everything that Python writes to standard output and error from now on.

    Args:
        *uris: tracking URIs whose passwords are secret.
    """
    sys.stdout = Redacted(sys.stdout, *uris)  # its other attributes are the stream's own
    sys.stderr = Redacted(sys.stderr, *uris)
