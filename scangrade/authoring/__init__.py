"""Making forms, and scans of forms with known truth."""
