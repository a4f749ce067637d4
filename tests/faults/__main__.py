"""``python -m faults``: a module of that name is imported by no process of a pipe, and none of them waits for it."""

import sys

from faults.drive import main

sys.exit(main())
