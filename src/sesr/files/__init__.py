"""Picture files: formats, reading, writing, metadata."""
