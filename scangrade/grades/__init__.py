"""From answers to grades: scoring, and the gradebook. Pure, and exact."""
