"""Picture files: formats, reading, writing."""

import os

# libvips asks for this when it is loaded, and then drops its warnings. Those that matter are read from its errors.
os.environ.setdefault("VIPS_WARNING", "0")
