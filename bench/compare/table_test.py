#!/usr/bin/python3 -B
"""What table.py makes of rounds."""

import unittest

import table


def round_of(mine, theirs, setting="s", measure="cpu"):
    return {setting: {"kachel": {measure: mine}, "redis": {measure: theirs}}}


class Ratios(unittest.TestCase):
    def test_are_of_the_same_round(self):
        rounds = [round_of(1.0, 2.0), round_of(30.0, 40.0)]
        self.assertEqual(table.ratios_of(rounds, "s", "redis", "cpu"), [0.5, 0.75])

    def test_leave_out_a_round_without_a_peer_and_one_with_nothing(self):
        rounds = [round_of(1.0, 2.0), {"s": {"kachel": {"cpu": 1.0}}}, round_of(1.0, 0), {}]
        self.assertEqual(table.ratios_of(rounds, "s", "redis", "cpu"), [0.5])

    def test_may_be_of_two_measures(self):
        rounds = [{"s": {"kachel": {"reads": 90.0}, "fio": {"iops": 100.0}}}]
        self.assertEqual(table.ratios_of(rounds, "s", "fio", "reads", "iops"), [0.9])


class Spreads(unittest.TestCase):
    def test_median_and_ends(self):
        self.assertEqual(table.spread_of([3, 1, 2]), table.Spread(2, 1, 3))

    def test_of_nothing_is_none(self):
        self.assertIsNone(table.spread_of([]))

    def test_noise_is_half_of_the_width(self):
        self.assertEqual(table.noise_text(table.Spread(10, 9, 11)), "+-10%")

    def test_numbers_keep_three_digits(self):
        self.assertEqual([table.number(n) for n in (0, 0.01234, 0.5, 12.34, 12345.6)],
                         ["0", "0.0123", "0.50", "12.3", "12,346"])


class Budgets(unittest.TestCase):
    def verdict(self, values, **bound):
        return table.Budget("x", tuple(values), **bound).verdict()

    def test_at_most(self):
        self.assertEqual(self.verdict([0.7, 0.72, 0.74], at_most=0.75), "met")
        self.assertEqual(self.verdict([0.8, 0.9, 1.0], at_most=0.75), "missed")

    def test_at_least(self):
        self.assertEqual(self.verdict([2.0, 2.1, 3.0], at_least=2), "met")
        self.assertEqual(self.verdict([1.0, 1.1, 1.2], at_least=2), "missed")

    def test_says_when_rounds_disagree(self):
        self.assertEqual(self.verdict([0.7, 0.72, 0.8], at_most=0.75), "met, within the noise")
        self.assertEqual(self.verdict([1.9, 1.95, 2.1], at_least=2), "missed, within the noise")

    def test_nothing_measured_is_neither_met_nor_missed(self):
        budget = table.Budget("x", (), at_most=1)
        self.assertEqual(budget.verdict(), "not measured")
        self.assertFalse(budget.is_missed())


class Tables(unittest.TestCase):
    def test_a_row_for_each_peer_and_no_ratio_of_kachel_to_itself(self):
        text = table.figures_table([round_of(1.0, 2.0)], {"cpu": "CPU, us"})
        rows = [[cell.strip() for cell in line.strip("|").split("|")]
                for line in text.splitlines()[2:]]
        self.assertEqual(rows, [["s", "CPU, us", "kachel", "1.00 (1.00 - 1.00)", "+-0%", ""],
                                ["s", "CPU, us", "redis", "2.00 (2.00 - 2.00)", "+-0%",
                                 "0.50 (0.50 - 0.50)"]])


if __name__ == "__main__":
    unittest.main()
