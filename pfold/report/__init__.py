"""What is said of a run: summary table, report page, and status."""
