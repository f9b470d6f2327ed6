"""Redact secrets in source code and settings files: values after a secret name, and keys of a known form.

These rules are for the files of a run's code. A name is secret here if it ends like one of the secret names, because
code calls them ``OPENAI_API_KEY`` or ``db_password``. Only values that stand in the text itself are redacted, so that
``password=arguments.password`` stays, and a patch still applies.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from multitrack.security.secrets import REDACTED, ends_like_secret

#: Characters that are searched at once: the training thread waits meanwhile, some 2 ms.
_PIECE: Final = 16_000
#: Formats whose values need no quotes.
_SETTINGS: Final = (".env", ".yaml", ".yml", ".toml", ".ini", ".cfg", ".conf", ".properties", ".sh")
#: ``name = "value"``, ``name: str = 'value'``, ``"name": "value"``, ``name="value"``.
_QUOTED: Final = re.compile(
    r"""(?<![\w.-])([\w.-]+)(?:\\?['"]\]?)?[ \t]*(?::[^\n=:"']{1,60}=|[:=])[ \t]*[bBuUrRfF]{0,2}(\\?['"])"""
    r"""((?:(?!\2)(?:\\.|[^\n\\]))+)(?=\2)"""
)
#: ``name: value`` or ``name=value``, alone on a line, also one of a patch.
_BARE: Final = re.compile(
    r"(?m)^([-+ ]?[ \t]*(?:- |export )?([\w.-]+)[ \t]*[:=][ \t]*)([^\s'\"#$({\[&*!|>][^\s#]*)(?=[ \t]*(?:#.*)?$)"
)
#: Keys of GitHub, GitLab, Hugging Face, OpenAI, Anthropic, Slack and AWS.
_KEY: Final = re.compile(
    r"\b(?:gh[opsu]_[A-Za-z0-9]{30,}|github_pat_\w{30,}|glpat-[\w-]{20,}|hf_[A-Za-z0-9]{30,}"
    r"|sk-(?=[A-Za-z_-]{0,40}[0-9])(?:[a-z0-9]{2,8}-){0,2}[A-Za-z0-9_-]{32,}|xox[abprs]-[A-Za-z0-9-]{20,}|AKIA[0-9A-Z]{16})(?![\w-])"
)
_PRIVATE_KEY: Final = re.compile(r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----")


def holds_private_key(text: str) -> bool:
    """Return True if there is a private key in the text, which has no name and many lines."""
    return "PRIVATE KEY" in text and _PRIVATE_KEY.search(text) is not None


def without_literals(text: str, path: str) -> str:
    """Redact the secrets in a file, or in the part of a patch that changes it.

    Args:
        text: The text.
        path: The file's path, for its format.
    """
    name = path.rpartition("/")[2].rstrip('"')
    is_settings = name.startswith(".env") or name.endswith(_SETTINGS)
    kept = []
    for piece in _pieces(text):
        piece = _QUOTED.sub(_clean_quoted, _KEY.sub(REDACTED, piece))
        kept.append(_BARE.sub(_clean_bare, piece) if is_settings else piece)
    return "".join(kept)


def _pieces(text: str) -> Iterator[str]:
    """Cut a text after lines, and an endless line after a comma."""
    start = 0
    while start < len(text):
        end = start + _PIECE
        if end < len(text):
            cut = text.rfind("\n", start, end)
            cut = cut if cut > start else text.rfind(",", start, end)
            end = cut + 1 if cut > start else end
        yield text[start:end]
        start = end


def _clean_quoted(match: re.Match[str]) -> str:
    if not ends_like_secret(match[1]) or match[3].startswith(("${", "{{")):  # a reference, as in OmegaConf and Jinja
        return match[0]
    return f"{match[0][: match.start(3) - match.start()]}{REDACTED}"


def _clean_bare(match: re.Match[str]) -> str:
    return f"{match[1]}{REDACTED}" if ends_like_secret(match[2]) else match[0]
