"""From rounds to medians, ratios and verdicts. Pure: no server, no clock.

A round's figures are {setting: {peer: {measure: number}}}. A ratio is Kachel's figure over a peer's of
the same round; what a table shows is the median of the rounds with the lowest and the highest beside
it, which is the machine's noise.
"""

import dataclasses
import statistics

SUBJECT = "kachel"


@dataclasses.dataclass(frozen=True)
class Spread:
    median: float
    low: float
    high: float

    def text(self):
        return f"{number(self.median)} ({number(self.low)} - {number(self.high)})"


def number(value):
    """Three digits or all before the point."""
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if size >= 10 else f"{value:.2f}" if size >= 0.1 else f"{value:.4f}"


def spread_of(values):
    """None of nothing."""
    if not values:
        return None
    return Spread(statistics.median(values), min(values), max(values))


def figures_of(rounds, setting, peer, measure):
    """A round without it is left out."""
    found = (each.get(setting, {}).get(peer, {}).get(measure) for each in rounds)
    return [value for value in found if value is not None]


def ratios_of(rounds, setting, peer, measure, of_measure=None):
    """Kachel's over the peer's, of each round that has both."""
    ratios = []
    for each in rounds:
        mine = each.get(setting, {}).get(SUBJECT, {}).get(measure)
        theirs = each.get(setting, {}).get(peer, {}).get(of_measure or measure)
        if mine is not None and theirs:
            ratios.append(mine / theirs)
    return ratios


@dataclasses.dataclass(frozen=True)
class Budget:
    """What the median of `values`, one of each round, has to be."""

    text: str
    values: tuple
    at_most: float = None
    at_least: float = None
    note: str = ""

    def verdict(self):
        spread = spread_of(self.values)
        if spread is None:
            return "not measured"
        if self.at_most is not None:
            met, worst, best = spread.median <= self.at_most, spread.high, spread.low
            sure = worst <= self.at_most or best > self.at_most
        else:
            met, worst, best = spread.median >= self.at_least, spread.low, spread.high
            sure = worst >= self.at_least or best < self.at_least
        return ("met" if met else "missed") + ("" if sure else ", within the noise")

    def is_missed(self):
        return self.verdict().startswith("missed")

    def bound_text(self):
        if self.at_most is not None:
            return f"<= {self.at_most:g}"
        return f">= {self.at_least:g}"

    def as_json(self):
        spread = spread_of(self.values)
        return {"budget": self.text, "bound": self.bound_text(), "verdict": self.verdict(),
                "values": list(self.values), "median": spread and spread.median,
                "note": self.note}


def table(head, rows):
    """A markdown table, its columns of one width so that it reads in a terminal too."""
    widths = [max(len(str(row[i])) for row in [head, *rows]) for i in range(len(head))]

    def line(cells):
        return "| " + " | ".join(str(c).ljust(w) for c, w in zip(cells, widths)) + " |"
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([line(head), rule, *map(line, rows)])


def figures_table(rounds, measures):
    """A row for each setting, measure and peer: its own figure, and Kachel's over it.
    `measures` is {name: what it is called, with its unit}."""
    rows = []
    settings = list(dict.fromkeys(setting for each in rounds for setting in each))
    for setting in settings:
        peers = list(dict.fromkeys(peer for each in rounds for peer in each.get(setting, {})))
        for measure, called in measures.items():
            for peer in peers:
                spread = spread_of(figures_of(rounds, setting, peer, measure))
                if spread is None:
                    continue
                ratio = spread_of(ratios_of(rounds, setting, peer, measure))
                over = "" if peer == SUBJECT or ratio is None else ratio.text()
                rows.append((setting, called, peer, spread.text(), noise_text(spread), over))
    return table(("setting", "what", "who", "median (low - high)", "noise", "kachel / it"), rows)


def noise_text(spread):
    """Half of the way from the lowest to the highest, of the median."""
    if spread.median == 0:
        return ""
    return f"+-{(spread.high - spread.low) / 2 / abs(spread.median):.0%}"


def budgets_table(budgets):
    rows = []
    for budget in budgets:
        spread = spread_of(budget.values)
        rows.append((budget.text, budget.bound_text(), spread.text() if spread else "-",
                     budget.verdict(), budget.note))
    return table(("budget", "bound", "median (low - high)", "verdict", "note"), rows)
