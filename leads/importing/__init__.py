"""Import of files from other systems: reading, mapping to our fields, and writing in batches that may be repeated.

`reading` gives rows, `mapping` turns each into our fields by a JSON description (docs/examples/README.md), `running`
takes them in batches to a target: `contacts` and `expenses` here; leads and deals, whose history moves stages, in
`pipeline.history`.
"""


class ImportStopped(Exception):
    """The file or its mapping can't be used at all; the text says why."""


class RowRefused(Exception):
    """One row can't be taken; the text says why."""
