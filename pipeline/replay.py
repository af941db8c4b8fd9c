"""Erasing again, after a restore, whoever the restored base has brought back."""

import dataclasses
import itertools
from pathlib import Path

from leads import erasures
from leads.models import Contact, Erasure
from pipeline import erasure_log
from pipeline.personal_data import erase

BATCH = 500


@dataclasses.dataclass
class Replayed:
    """How many persons were erased again, and how many numbers of the file belong to somebody else here."""

    erased: int = 0
    unknown: int = 0
    added: int = 0  # acts of the base that the file lacked


def replay(file: Path | None = None) -> Replayed:
    """Erase whoever `file` (ours unless given) says was erased and who is here nevertheless; then complete our file.

    Running it again changes nothing. A contact's number alone isn't believed: after a restore it may have been given
    to somebody else. `unknown` counts those; if all are, SECRET_KEY isn't the one that the file was written with.
    """
    done = Replayed()
    logged: set[int] = set()
    acts = erasure_log.read(file or erasure_log.path())
    while batch := list(itertools.islice(acts, BATCH)):
        lines = {line.contact: line for line in batch}
        logged |= lines.keys()
        present = Contact.objects.filter(pk__in=lines, erased_at__isnull=True)
        for contact in present:
            line = lines[contact.pk]
            if erasures.mark_of_row(contact) in line.marks:
                erase(contact, line.cause, by=None, at=line.at)
                done.erased += 1
            else:
                done.unknown += 1
    if file is None:
        missing = [act for act in Erasure.objects.iterator() if act.contact_number not in logged]
        erasure_log.append(missing)
        done.added = len(missing)
    return done
