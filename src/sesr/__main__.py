"""`python -m sesr` is the command `sesr`."""

import sys

from sesr.cli import main

if __name__ == "__main__":
    sys.exit(main())
