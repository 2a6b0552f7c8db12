"""Whether the torture test finds what it is there to find: first its judgement alone, then
whole runs in which the data are tampered with while the server is down."""

import os
import stat
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../integration"))

import harness
import values
from history import (ABSENT, CLOCK_SLACK_MS, Effect, Found, History, SharedEffect, State,
                     check_shared)

WRITER = 3
NOW_MS = 1_700_000_000_000


def long_version(key):
    return next(v for v in range(1, 100) if not values.is_tiny(WRITER, key, v))


def found(version, key=0, expires_at_ms=-1, at_ms=NOW_MS):
    if not version:
        return Found(None, -2, at_ms, at_ms)
    value = values.make(WRITER, key, version)
    return Found(value, expires_at_ms, at_ms, at_ms, values.read(value, key))


def past(*effects, acknowledged=0, durable=0, keys=1):
    history = History(WRITER, [(ABSENT,)] * keys)
    history.effects = list(effects)
    history.acknowledged = acknowledged
    history.acknowledged_at = [0.0] * acknowledged
    history.durable = durable
    return history


class Values(unittest.TestCase):
    def test_a_value_says_whose_it_is(self):
        version = long_version(5)
        self.assertEqual(values.read(values.make(WRITER, 5, version), 5), (WRITER, version))

    def test_a_changed_byte_anywhere_is_found(self):
        value = values.make(WRITER, 5, long_version(5))
        for at in range(0, len(value), max(1, len(value) // 200)):
            changed = bytearray(value)
            changed[at] ^= 1
            with self.assertRaises(values.Wrong, msg=at):
                if values.read(bytes(changed), 5) is None:
                    raise values.Wrong("short")

    def test_another_keys_value_and_a_cut_one_are_found(self):
        value = values.make(WRITER, 5, long_version(5))
        for wrong, key in ((value, 6), (value[:-1], 5), (value + b"x", 5)):
            with self.assertRaises(values.Wrong):
                values.read(wrong, key)

    def test_sizes_reach_from_one_byte_to_hundreds_of_kilobytes(self):
        sizes = [len(values.make(WRITER, 1, version)) for version in range(1, 3000)]
        self.assertEqual(min(sizes), 1)
        self.assertGreater(max(sizes), 300_000)


class Each(unittest.TestCase):
    """Group and strict."""

    def violations(self, history, *states, evicting=False):
        return history.check_each(list(states), evicting)[0]

    def test_what_was_acknowledged_is_there(self):
        self.assertFalse(self.violations(past(Effect("S", 0, 1), acknowledged=1), found(1)))

    def test_a_lost_write_is_found(self):
        self.assertTrue(self.violations(past(Effect("S", 0, 1), acknowledged=1), found(0)))

    def test_what_was_in_flight_may_be_either(self):
        for state in (found(1), found(2)):
            history = past(Effect("S", 0, 1), Effect("S", 0, 2), acknowledged=1)
            self.assertFalse(self.violations(history, state))

    def test_an_overwritten_value_that_comes_back_is_found(self):
        history = past(Effect("S", 0, 1), Effect("S", 0, 2), acknowledged=2)
        self.assertTrue(self.violations(history, found(1)))
        self.assertTrue(self.violations(history, found(1), evicting=True))

    def test_an_erased_entry_that_comes_back_is_found(self):
        for erase in ("D", "F"):
            history = past(Effect("S", 0, 1), Effect(erase, 0), acknowledged=2)
            self.assertFalse(self.violations(history, found(0)))
            self.assertTrue(self.violations(history, found(1)))
            self.assertTrue(self.violations(history, found(1), evicting=True))

    def test_a_lost_change_of_expiry_is_found(self):
        at = NOW_MS + 100_000
        history = past(Effect("S", 0, 1), Effect("X", 0, 0, at, at), acknowledged=2)
        self.assertFalse(self.violations(history, found(1, expires_at_ms=at)))
        self.assertTrue(self.violations(history, found(1)))
        self.assertTrue(self.violations(history, found(1, expires_at_ms=at + 1000)))

    def test_what_has_expired_is_gone_and_not_before(self):
        history = past(Effect("S", 0, 1, NOW_MS, NOW_MS), acknowledged=1)
        late = NOW_MS + 10 * CLOCK_SLACK_MS
        early = NOW_MS - 10 * CLOCK_SLACK_MS
        self.assertTrue(self.violations(history, found(1, expires_at_ms=NOW_MS, at_ms=late)))
        self.assertFalse(self.violations(history, found(0, at_ms=late)))
        self.assertFalse(self.violations(history, found(1, expires_at_ms=NOW_MS, at_ms=early)))
        self.assertTrue(self.violations(history, found(0, at_ms=early)))

    def test_a_value_nobody_sent_is_found(self):
        self.assertTrue(self.violations(past(Effect("S", 0, 1), acknowledged=1), found(7)))

    def test_an_evicted_entry_may_be_absent_and_may_be_found_again(self):
        history = past(Effect("S", 0, 1), acknowledged=1)
        violations, now = history.check_each([found(0)], True)
        self.assertFalse(violations)
        again = History(WRITER, now)
        self.assertFalse(again.check_each([found(1)], True)[0])
        again = History(WRITER, now)
        again.effects, again.acknowledged = [Effect("D", 0)], 1
        self.assertTrue(again.check_each([found(1)], True)[0])


class Prefix(unittest.TestCase):
    """Relaxed."""

    def test_a_tail_may_be_missing(self):
        history = past(Effect("S", 0, 1), Effect("S", 1, 2), acknowledged=2, keys=2)
        violations, _, reached = history.check_prefix([found(1), found(0, 1)], False, 0)
        self.assertEqual((violations, reached), ([], 1))

    def test_a_hole_is_found(self):
        history = past(Effect("S", 0, 1), Effect("S", 1, 2), acknowledged=2, keys=2)
        self.assertTrue(history.check_prefix([found(0), found(2, 1)], False, 0)[0])

    def test_more_missing_than_the_window_is_found(self):
        history = past(Effect("S", 0, 1), Effect("S", 1, 2), acknowledged=2, keys=2)
        self.assertTrue(history.check_prefix([found(1), found(0, 1)], False, 2)[0])

    def test_a_hole_is_no_eviction(self):
        history = past(Effect("S", 0, 1), Effect("S", 0, 2), Effect("S", 1, 3), acknowledged=3,
                       keys=2)
        self.assertFalse(history.check_prefix([found(0), found(3, 1)], True, 3)[0])
        self.assertTrue(history.check_prefix([found(1), found(3, 1)], True, 0)[0])


class SharedKeys(unittest.TestCase):
    NONE = (SharedEffect(),)

    def violation(self, effects, state, evicting=False):
        return check_shared(0, self.NONE, effects, state, evicting)[0]

    def test_writes_at_the_same_time_may_end_either_way(self):
        effects = [SharedEffect(WRITER, 1, 1, 4), SharedEffect(WRITER, 2, 2, 3)]
        for version in (1, 2):
            self.assertIsNone(self.violation(effects, found(version)))

    def test_an_overwritten_one_is_found(self):
        effects = [SharedEffect(WRITER, 1, 1, 2), SharedEffect(WRITER, 2, 3, 4)]
        self.assertIsNone(self.violation(effects, found(2)))
        self.assertIsNotNone(self.violation(effects, found(1)))
        self.assertIsNotNone(self.violation(effects, found(1), evicting=True))

    def test_an_erased_one_is_found(self):
        effects = [SharedEffect(WRITER, 1, 1, 2), SharedEffect(WRITER, 0, 3, 4)]
        self.assertIsNone(self.violation(effects, found(0)))
        self.assertIsNotNone(self.violation(effects, found(1)))

    def test_what_the_mode_may_lose_does_not_bind(self):
        effects = [SharedEffect(WRITER, 1, 1, 2), SharedEffect(WRITER, 2, 3, 4, binding=False)]
        self.assertIsNone(self.violation(effects, found(1)))


TAMPERING = {
    # An hour-old copy of the data is put back, as a careless restore would.
    "stale": 'if [ -e "$KEEP" ]; then rm -rf "$DATA" && cp -a "$KEEP" "$DATA"; '
             'elif [ -e "$DATA/superblock" ]; then cp -a "$DATA" "$KEEP"; fi',
    # The youngest segments are lost, and the index with them.
    "lost": 'ls -t "$DATA"/segments/*.seg 2>/dev/null | head -n 2 | xargs -r rm -f; '
            'rm -rf "$DATA/index"',
}


class Runs(harness.TestCase):
    """tests/torture/run on a server that has been tampered with fails; on others not."""

    def torture(self, tampering, *arguments):
        program = self.path("kacheld")
        with open(program, "w") as script:
            script.write(f'#!/bin/bash\nDATA=$2\nKEEP={self.path("kept")}\n{tampering}\n'
                         f'exec {os.path.abspath(harness.binary("kacheld"))} "$@"\n')
        os.chmod(program, stat.S_IRWXU)
        here = os.path.dirname(os.path.abspath(__file__))
        return subprocess.run(
            [sys.executable, "-B", os.path.join(here, "run"), "--kacheld", program, "--seed", "1",
             *arguments], capture_output=True, text=True, timeout=4 * harness.DEADLINE_S)

    def test_an_untouched_server_passes(self):
        result = self.torture("", "--kills", "3", "--mode", "group")
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def test_tampering_is_found(self):
        for name, tampering in TAMPERING.items():
            for mode in ("group", "relaxed"):
                with self.subTest(tampering=name, mode=mode):
                    result = self.torture(tampering, "--kills", "30", "--mode", mode)
                    self.assertEqual(result.returncode, 1, result.stdout + result.stderr)
                    self.assertIn("VIOLATION", result.stderr)

    def test_no_program_is_a_usage_error(self):
        here = os.path.dirname(os.path.abspath(__file__))
        result = subprocess.run(
            [sys.executable, "-B", os.path.join(here, "run"), "--kacheld", self.path("none")],
            capture_output=True, text=True, timeout=harness.DEADLINE_S)
        self.assertEqual(result.returncode, 2)


if __name__ == "__main__":
    harness.main()
