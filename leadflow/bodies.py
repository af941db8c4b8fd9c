"""How bodies of REST requests are read, and answers written.

Apart from `leadflow.rest`, as the library loads this before its own views.
"""

import json
import math
from collections.abc import Mapping
from typing import IO, Any

from django.utils.translation import gettext_lazy as _
from rest_framework import exceptions
from rest_framework.parsers import JSONParser
from rest_framework.renderers import JSONRenderer


class BoundedJSONParser(JSONParser):
    """JSON of bounded depth, with finite numbers. What a text may hold, each field says."""

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        body = stream.read()
        try:
            return json.loads(body.decode(), parse_constant=_finite, parse_float=_finite)
        except RecursionError as error:
            raise exceptions.ParseError(_("The JSON is nested too deeply.")) from error
        except ValueError as error:
            raise exceptions.ParseError(_("This isn't valid JSON: %(error)s") % {"error": ascii(str(error))}) from error


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is too large")
    return number


class _EscapingJSONRenderer(JSONRenderer):
    ensure_ascii = True


class CarefulJSONRenderer(JSONRenderer):
    """JSON that may repeat half of a character (a lone surrogate), as a client sent it: as an escape."""

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> bytes:
        try:
            return super().render(data, accepted_media_type, renderer_context)
        except UnicodeEncodeError:
            return _EscapingJSONRenderer().render(data, accepted_media_type, renderer_context)
