"""Pictures of registrations, and the pages that collect them."""

from atlalign.report.figure import registration_figure
from atlalign.report.page import write_page
from atlalign.report.writing import write_report

__all__ = ["registration_figure", "write_page", "write_report"]
