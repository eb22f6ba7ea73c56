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


def bars(figures):
    """Return what is drawn.

    Parameters
    ----------
    figures : list of Figure

    Returns
    -------
    list of (str, float or None, float or None)
        Name, and how many times as fast as aiokatcp and katcp 0.9 we are, as far as that is known.
    """
    found = {(figure.bench, figure.sizes): figure for figure in figures}
    result = []
    for bench, sizes, label in BARS:
        figure = found.get((bench, sizes))
        ratios = [figure and figure.ratio(label, other) for other in (AIOKATCP, KATCP09)]
        if any(ratios):
            details = ", ".join(part for part in (sizes, "threads" if label == THREADS else "") if part)
            result.append((bench + (" (%s)" % details if details else ""), ratios[0], ratios[1]))
    return result


def draw(figures, path):
    """Draw how many times as fast as others we are.

    Parameters
    ----------
    figures : list of Figure
    path : str
        File to write; what follows the last dot says what kind.
    """
    from matplotlib.figure import Figure as Picture

    drawn = bars(figures)
    picture = Picture(figsize=(8, 0.45 * len(drawn) + 1.3), layout="constrained")
    axes = picture.add_subplot()
    for column, other, shift, colour in ((1, AIOKATCP, -0.2, "tab:blue"), (2, KATCP09, 0.2, "tab:orange")):
        places = [(y + shift, bar[column]) for y, bar in enumerate(drawn) if bar[column] is not None]
        # From 1, so that what is slower goes the other way.
        container = axes.barh([y for y, _ in places], [ratio - 1 for _, ratio in places], 0.38, left=1,
                              color=colour, label="than " + other)
        axes.bar_label(container, ["%.1f" % ratio for _, ratio in places], padding=2, fontsize=8)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_yticks(range(len(drawn)), [bar[0] for bar in drawn])
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.margins(x=0.12)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlabel("times as fast")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=9)
    picture.savefig(path)
