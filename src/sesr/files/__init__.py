"""Picture files: formats, reading, writing."""

import os

# libvips asks for this when it is loaded. Without it, warnings of files that are closed at the very end of the program
# go to stderr, where nobody listens to them any more.
os.environ.setdefault("VIPS_WARNING", "0")
