"""Fuzzing: mutated definitions, rosters, other systems' files and scans, and what must hold for each of them."""
