"""Intrinsics, hand-eye, latency and payload; the file format of a calibration."""
