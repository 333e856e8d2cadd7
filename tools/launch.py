"""Start processes as torchrun does, and leave the words about an error to the processes.

What the two dist_*.sh call. torchrun itself adds a long report and a traceback of its own.
"""

import logging
import signal
import sys

from torch.distributed.elastic.multiprocessing import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.run import main

SAID = {1, 2, 130}  # Python has printed a traceback, or we a sentence


def launch(arguments: list[str]) -> int:
    """Return the exit status of the first process that failed, or 0."""
    logging.disable()  # of this process alone
    try:
        main(arguments)
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        code = failure.exitcode
        if code < 0:
            print(f"error: process {rank} ended by {signal.Signals(-code).name}.", file=sys.stderr)
        elif code not in SAID:
            print(f"error: process {rank} ended with exit code {code}.", file=sys.stderr)
        return code if code > 0 else 128 - code
    except SignalException as stopped:
        return 128 + int(stopped.sigval)
    return 0


if __name__ == "__main__":
    sys.exit(launch(sys.argv[1:]))
