"""Lets the reference show the docstrings of this project, which Griffe reads in another way than they are meant."""

import re

import griffe

_EXAMPLE = re.compile(r"^Example:\n\n(.*?)(?=\n\n[A-Z][A-Za-z ]*:\n|\Z)", re.M | re.S)


class Docstrings(griffe.Extension):
    """Turns "Example:" into Griffe's "Examples:", indented; puts the type before the text of "Returns:".

    Otherwise Griffe takes what stands before the first colon of that text for the type.
    """

    def on_object(self, *, obj, **kwargs):
        if obj.docstring is None:
            return
        text = _EXAMPLE.sub(_indented, obj.docstring.value)
        if obj.is_function and obj.returns is not None:
            text = re.sub(r"^Returns:\n +", lambda match: f"{match[0]}{obj.returns}: ", text, flags=re.M)
        obj.docstring.value = text


def _indented(match):
    return "Examples:\n" + re.sub(r"^(?=.)", "    ", match[1], flags=re.M)
