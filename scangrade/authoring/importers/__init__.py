"""Forms of other systems as layouts and rubrics of our own: a module per system, one writer, and the story that strings them together."""
