"""`python -m ratecore.cli` is the command `ratecore` where that is not on the path."""

import sys

from ratecore.cli import main

sys.exit(main())
