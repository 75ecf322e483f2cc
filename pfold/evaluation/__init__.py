"""Predictions against known structures: which atoms belong together, scores, tables, and calibration."""
