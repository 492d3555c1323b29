"""HTML and SVG written safely: attributes are escaped here, text by `text`; children are markup already."""

from __future__ import annotations

import re
from html import escape

# Neither XML nor UTF-8 has these: control characters, lone surrogates, two non-characters.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_VOID = ("meta",)


def text(value: object) -> str:
    """Any value as text that can stand in an element or in an attribute."""
    return escape(_FORBIDDEN.sub("\ufffd", str(value)))


def tag(name: str, /, *children: str, **attributes: object) -> str:
    """An element. In attribute names `_` stands for `-`, a last one for nothing (`class_`); floats get one decimal."""
    written = "".join(f' {_attribute(key)}="{text(_number(value))}"' for key, value in attributes.items())
    return f"<{name}{written}>" if name in _VOID else f"<{name}{written}>{''.join(children)}</{name}>"


def _attribute(key: str) -> str:
    return key.rstrip("_").replace("_", "-")


def _number(value: object) -> object:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else value
