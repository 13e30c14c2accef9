"""The report of a fit: one HTML page that needs no other file, warnings first."""

from gradline.report.building import Report, build, data_name, page_name

__all__ = ["Report", "build", "data_name", "page_name"]
