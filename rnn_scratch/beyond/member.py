"""What `launch` starts: a scheduler, a server or a worker of MXNet's parameter server. Run as a file.

MXNet waits for lost processes for ever, and cannot be interrupted: so a thread, started before MXNet is imported, gives
signs of life on standard input, and ends the process hard when the supervisor has hung up.
"""
import sys

if __name__ == '__main__' and not (sys.flags.isolated or sys.version_info >= (3, 11) and sys.flags.safe_path):
    # Python has put the folder of this file there, where a module could have the name of one of Python's own. As for
    # python -m it shall be the working directory; with the flags -I and -P it is neither.
    sys.path[0] = ''

import os  # noqa: E402
import runpy  # noqa: E402
import select  # noqa: E402
import signal  # noqa: E402
import threading  # noqa: E402
import time  # noqa: E402

BEAT = 1                        # seconds between two signs of life
LAST_WORDS = 4                  # seconds for worker 0 to save when another process is dead
NUMBER = 'RNN_SCRATCH_WORKER'   # the variable that tells a worker its number; without it MXNet numbers as it likes


def beat():
    """Signs of life to the supervisor, at the other end of standard input; and an end when it hangs up."""
    try:
        while os.write(0, b'.'):        # the first one at once: on a busy machine the start itself takes seconds
            if select.select([0], [], [], BEAT)[0] and not os.read(0, 1):
                break
    except OSError:
        pass
    if os.environ.get(NUMBER) == '0':
        os.kill(os.getpid(), signal.SIGTERM)        # it saves as after any signal to stop: see `parallel.Processes`
        time.sleep(LAST_WORDS)
    os._exit(1)


if __name__ == '__main__':
    threading.Thread(target=beat, daemon=True).start()
    # A worker runs the command line. Scheduler and server get no further than the import of the package.
    runpy.run_module('rnn_scratch', run_name='__main__', alter_sys=True)
