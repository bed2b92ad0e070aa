"""Files for others, made from what a run found."""
