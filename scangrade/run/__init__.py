"""The run folder: what goes in, the store, and the files that come out."""
