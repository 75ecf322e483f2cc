"""What surrounds a prediction: the plan of a run, its jobs and resources, receipts, failures and locks."""
