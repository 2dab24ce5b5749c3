"""Lets the reference show the examples of docstrings, which Keras' style does not indent, as code."""

import re

import griffe

_EXAMPLE = re.compile(r"^Example:\n\n(.*?)(?=\n\n[A-Z][A-Za-z ]*:\n|\Z)", re.M | re.S)


class Examples(griffe.Extension):
    """Turns the section "Example:" into Griffe's own, "Examples:", whose content is indented."""

    def on_object(self, *, obj, **kwargs):
        if obj.docstring is not None:
            obj.docstring.value = _EXAMPLE.sub(_indented, obj.docstring.value)


def _indented(match):
    return "Examples:\n" + re.sub(r"^(?=.)", "    ", match[1], flags=re.M)
