"""What all scenarios share: options, progress, sizes, running a tool."""

import os
import subprocess
import sys

MIB = 1 << 20
HERE = os.path.dirname(os.path.abspath(__file__))
REPOSITORY = os.path.dirname(os.path.dirname(HERE))
TOOL_DEADLINE_S = 3600  # no tool may hang the run for longer


class Failed(Exception):
    """It could not be carried out: exit code 2, with this as the reason."""


def progress(text):
    print(text, file=sys.stderr, flush=True)


def bytes_of(text):
    for unit, size in (("GiB", 1 << 30), ("MiB", MIB)):
        if text.endswith(unit):
            try:
                return int(float(text[:-len(unit)]) * size)
            except ValueError:
                break
    raise ValueError(f"'{text}' is no size: say 2GiB or 512MiB")


def run_tool(command, **options):
    """Its stdout as text."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              errors="replace", timeout=TOOL_DEADLINE_S, **options)
    except FileNotFoundError:
        raise Failed(f"{command[0]} is missing: tools/install bench peers, or build the targets "
                     "kacheld, kachel, compare_echo_server and compare_memcpy_rate") from None
    except subprocess.TimeoutExpired:
        raise Failed(f"{command[0]} took more than {TOOL_DEADLINE_S} s") from None
    if done.returncode != 0:
        raise Failed(f"{' '.join(command)} ended with {done.returncode}: "
                     f"{(done.stderr or done.stdout)[-500:]}")
    return done.stdout


def files_below(directory):
    return [os.path.join(folder, name) for folder, _, names in os.walk(directory)
            for name in names]


def bytes_below(directory):
    """What the files take of the disk, not how long they say they are."""
    return sum(os.stat(path).st_blocks * 512 for path in files_below(directory))


def forget(path):
    """Takes a file, or what is below a directory, out of the page cache. A server may be at work there."""
    for each in files_below(path) if os.path.isdir(path) else [path]:
        try:
            file = os.open(each, os.O_RDONLY)
        except FileNotFoundError:
            continue
        os.fsync(file)
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(file)


def storage_read_bytes(pid):
    """What the kernel has read from storage for a process, whoever in it asked."""
    with open(f"/proc/{pid}/io") as file:
        for line in file:
            if line.startswith("read_bytes:"):
                return int(line.split()[1])
    raise Failed("/proc/PID/io has no read_bytes")


def rss_bytes(pid):
    with open(f"/proc/{pid}/status") as status:
        for line in status:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    raise Failed("/proc/PID/status has no VmRSS")
