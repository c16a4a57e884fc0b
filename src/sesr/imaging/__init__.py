"""Pictures as arrays: color, resizing, quality measures and streams of rows. Needs NumPy alone."""
