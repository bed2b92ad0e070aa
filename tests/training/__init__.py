"""Training of the network that tells marks apart: see README.md."""
