"""What strict nbval leaves uncompared here, beyond its own list.

nbval skips the pixels of PNG and JPEG by itself. Matplotlib's SVG and PDF carry dates and ids, so
their content is skipped as well; the digest that `show` writes beside a picture is compared.
Standard error, HTML and all other text stay compared.
"""

import pytest


def pytest_collectstart(collector: pytest.Collector) -> None:
    """Widen nbval's list for each notebook that is collected."""
    path = getattr(collector, "path", None)
    if path is not None and path.suffix == ".ipynb":
        collector.skip_compare += ("image/svg+xml", "application/pdf")
