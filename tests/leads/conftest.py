import pytest

from accounts.keyset import keyset_page


@pytest.fixture
def small_pages(monkeypatch) -> None:
    """Lists come in pages of three."""
    monkeypatch.setitem(keyset_page.__kwdefaults__, "size", 3)
