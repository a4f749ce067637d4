"""Another process that wants to write a stream's table (`check.probes.one_at_a_time`): settings come on its input."""

from __future__ import annotations

import json
import sys
from contextlib import closing

from ifs_bi_core.errors import IfsBiError

from target_looker_warehouse.addresses import check_address
from target_looker_warehouse.check.probes import ASKS, CLAIMED


def main() -> None:
    """Ask for the stream, and say what came of it."""
    config = json.load(sys.stdin)
    try:
        with closing(check_address(config["warehouse_url"], config.get("staging_url")).open()) as connection:
            sys.stdout.write(f"{ASKS}\n")
            sys.stdout.flush()
            connection.claim(config["schema"], config["stream"])
            sys.stdout.write(f"{CLAIMED}\n")
    except IfsBiError as error:
        sys.stdout.write(f"{error}\n")


if __name__ == "__main__":
    main()
