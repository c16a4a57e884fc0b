"""Pictures as arrays: colour, resizing, quality measures, files. NumPy and Pillow only."""
