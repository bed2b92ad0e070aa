"""What people write: layouts, rubrics and rosters, read and held against each other before any page is."""
