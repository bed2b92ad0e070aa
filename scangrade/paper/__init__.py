"""Image to readings: everything that looks at paper."""
