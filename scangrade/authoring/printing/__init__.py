"""Booklets, labels and stamped forms: what we print."""
