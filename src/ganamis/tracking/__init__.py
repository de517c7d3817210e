"""MLflow tracking: what a run records, and the view in which its UI compares runs."""
