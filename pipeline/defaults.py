"""What a new organisation's pipeline starts with."""

import datetime

from leads import defaults as leads_defaults
from pipeline.models import Agreement


def create_defaults(*, at: datetime.datetime) -> None:
    """Fill what is still empty, here and in `leads`."""
    leads_defaults.create_defaults(at=at)
    if not Agreement.objects.exists():
        Agreement.objects.create(version=1, in_force_at=at)
