"""Finished results in other programs' formats."""
