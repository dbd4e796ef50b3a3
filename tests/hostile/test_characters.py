from __future__ import annotations

from tests.hostile.conftest import Product


def test_everybody_is_who_they_are(product: Product) -> None:
    assert product.browser("alice").get("/recordings/").status_code == 200
    assert product.browser().get("/recordings/").status_code == 302
    assert product.browser("operator").get("/admin/").status_code == 200
