"""``python -m minidl`` does what the ``minidl`` command does."""

import sys

from minidl.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
