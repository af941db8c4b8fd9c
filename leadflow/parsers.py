"""How bodies of REST requests are read. Apart from `leadflow.rest`, as the library loads it before its own views."""

import json
import math
from collections.abc import Mapping
from typing import IO, Any

from django.utils.translation import gettext_lazy as _
from rest_framework import exceptions
from rest_framework.parsers import JSONParser


class BoundedJSONParser(JSONParser):
    """JSON of bounded depth, whose numbers and characters can be stored and written back."""

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        body = stream.read()
        try:
            data = json.loads(body.decode(), parse_constant=_finite, parse_float=_finite)
            if b"\\u" in body:
                json.dumps(data, ensure_ascii=False).encode()  # fails on half of a character (a lone surrogate)
        except RecursionError as error:
            raise exceptions.ParseError(_("The JSON is nested too deeply.")) from error
        except ValueError as error:
            raise exceptions.ParseError(_("This isn't valid JSON: %(error)s") % {"error": ascii(str(error))}) from error
        return data


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is too large")
    return number
