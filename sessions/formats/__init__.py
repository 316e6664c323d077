"""Import and export of stores: LeRobot v3, robomimic, diffusion-policy zarr, ROS 2 bags, SERL pickles (import only).

    report = import_store(Path("demos.hdf5"), Path("runs/demos.zarr"))
    print(report.as_text())

All or nothing: an error leaves nothing at the target.
"""

from __future__ import annotations

from sessions.formats.catalog import FORMATS, Format, export_store, import_store, recognise
from sessions.formats.options import ExportOptions, ImportOptions
from sessions.formats.report import Mapped, Report

__all__ = [
    "FORMATS",
    "ExportOptions",
    "Format",
    "ImportOptions",
    "Mapped",
    "Report",
    "export_store",
    "import_store",
    "recognise",
]
