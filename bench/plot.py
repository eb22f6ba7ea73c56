"""One picture of it all."""

from bench.contest import AIOKATCP, KATCP09, OURS, THREADS

# Benchmark, size, ours, and whom we are compared with.
BARS = [
    ("codec", "4 arguments", OURS), ("server.pipelined", "1 client", OURS),
    ("server.pipelined", "1 client", THREADS), ("server.one-at-a-time", "1 client", OURS),
    ("server.one-at-a-time", "1 client", THREADS), ("server.updates", "100 sensors, 10 clients", OURS),
    ("server.updates", "100 sensors, 10 clients", THREADS),
    ("server.sensor-list", "100 sensors, 1 client", OURS), ("client.in-flight", "", OURS),
    ("client.one-at-a-time", "", OURS), ("client.blocking", "", THREADS), ("resource.updates", "", OURS),
    ("resource.sync+strategies", "2000 sensors", OURS), ("sensor.set-value", "1 observers", OURS),
    ("crowd.rush", "1000 clients", OURS),
]


def draw(figures, path):
    """Draw how many times as fast as others we are.

    Parameters
    ----------
    figures : list of Figure
    path : str
        File to write; what follows the last dot says what kind.
    """
    from matplotlib.figure import Figure as Picture

    found = {(figure.bench, figure.sizes): figure for figure in figures}
    bars = [(found[bench, sizes], label) for bench, sizes, label in BARS if (bench, sizes) in found]
    picture = Picture(figsize=(8, 0.45 * len(bars) + 1.3), layout="constrained")
    axes = picture.add_subplot()
    for other, shift, colour in ((AIOKATCP, -0.2, "tab:blue"), (KATCP09, 0.2, "tab:orange")):
        places = [(y, figure.ratio(label, other)) for y, (figure, label) in enumerate(bars)]
        places = [(y, ratio) for y, ratio in places if ratio is not None]
        drawn = axes.barh([y + shift for y, _ in places], [ratio for _, ratio in places], 0.38,
                          color=colour, label="than " + other)
        axes.bar_label(drawn, fmt="%.1f", padding=2, fontsize=8)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_yticks(range(len(bars)), [_name(figure, label) for figure, label in bars])
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlabel("times as fast")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=9)
    picture.savefig(path)


def _name(figure, label):
    details = ", ".join(part for part in (figure.sizes, "threads" if label == THREADS else "") if part)
    return figure.bench + (" (%s)" % details if details else "")
