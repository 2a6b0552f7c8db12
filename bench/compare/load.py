"""The load generator: `kachel bench`, and what the scenarios take of its figures."""

import json
import subprocess

import harness
from common import Failed

EXTRA_S = 600  # beside its own duration


def bench(peer, *, connections, pipeline, keys, value_size, phase="run", seconds=None, mix="get=100",
          compressibility="2", seed=0, more=()):
    """The figures of one phase."""
    command = [harness.binary("kachel"), "bench", "--json", "--connect", f"127.0.0.1:{peer.port}",
               "--protocol", peer.protocol, "--server-pid", str(peer.pid), "--phase", phase,
               "--connections", str(connections), "--pipeline", str(pipeline), "--keys", str(keys),
               "--value-size", str(value_size), "--compressibility", compressibility,
               "--seed", str(seed), "--mix", mix, *more]
    if seconds is not None:
        command += ["--duration", f"{int(seconds * 1000)}ms"]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=(seconds or 0) + EXTRA_S, preexec_fn=harness.die_with_parent)
    except FileNotFoundError:
        raise Failed(f"no kachel in {harness.BIN_DIR}: build it, or name its directory with "
                     "--bin") from None
    except subprocess.TimeoutExpired:
        raise Failed(f"kachel bench against {peer.name} does not end") from None
    if done.returncode != 0:
        raise Failed(f"kachel bench against {peer.name} ended with {done.returncode}: "
                     f"{(done.stderr or done.stdout)[-500:]}")
    phases = [told for told in map(json.loads, done.stdout.splitlines()) if told["type"] == "phase"]
    return phases[-1]


def figures_of(phase):
    """ops/s, CPU of the server, latencies, hits, and how busy the generator was."""
    latency = phase["latency"]["all"]
    return {
        "ops_per_s": phase["ops_per_s"],
        "cpu_us_per_op": phase["server"]["cpu_us_per_op"],
        "p50_us": latency["p50_us"],
        "p99_us": latency["p99_us"],
        "hit_ratio": phase["hit_ratio"],
        "generator_busiest": phase["own"]["busiest_core_share"],
    }
