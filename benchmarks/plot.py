"""The figures: rates with their ratios, and latencies; where the time of a request goes."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from benchmarks.report import YARDSTICKS, Results, described, share, titled
from benchmarks.servers import FLOOR, PEERS_MEASURED, TITLES, Peer
from benchmarks.workloads import WORKLOADS, Workload

OWN, WITH_MODELS, CONSTANT = "#0b6e8a", "#9aa8b0", "#dfe4e7"
DRAWN = WORKLOADS[:2]
# Of Okabe and Ito, which color-blind people tell apart.
MODELS, OTHERS, WHOLE = "#0072b2", "#e69f00", "#999999"


def draw(results: Results, target: Path) -> None:
    """Draw single-row workloads, a row of the figure each, and save it as a PNG."""
    mpl.rcParams["font.size"] = 9
    figure = Figure(figsize=(11, 8), layout="constrained")
    grid = figure.subplots(len(DRAWN), 2, width_ratios=(3, 2))
    for (rates, latencies), workload in zip(grid, DRAWN, strict=True):
        peers = [peer for peer in PEERS_MEASURED if workload.key in peer.answers]
        _draw_rates(rates, results, workload, peers)
        _draw_latencies(latencies, results, workload, peers)
    figure.suptitle(described(results), fontsize=8, color="#555555", x=0.01, ha="left")
    save(figure, target)


def draw_parts(results: Results, target: Path) -> None:
    """Draw what small requests consist of, each part where the one before it ends."""
    mpl.rcParams["font.size"] = 9
    names = max((list(of) for of in results.parts.values()), key=len)
    figure = Figure(figsize=(11, 3.6), layout="constrained")
    grid = figure.subplots(1, len(results.parts), sharey=True, squeeze=False)[0]
    for axes, (request, parts) in zip(grid, results.parts.items(), strict=True):
        whole, begun = sum(parts.values()), 0.0
        for place, name in enumerate(names):
            part = parts.get(name, 0.0)
            colour = MODELS if name in TITLES else OTHERS
            axes.barh(place, part, left=begun, color=colour, height=0.7)
            begun += part
            said = f"{part:.1f} µs, {100 * part / whole:.0f} %" if name in parts else "–"
            axes.text(max(begun, begun - part) + 0.015 * whole, place, said, va="center")
        axes.barh(len(names), whole, color=WHOLE, height=0.7)
        axes.text(whole * 1.015, len(names), f"{whole:.0f} µs", va="center", fontweight="bold")
        axes.set_xlim(0, whole * 1.28)
        axes.set_xlabel("CPU time in µs, one part after another")
        axes.set_title(request, loc="left", fontweight="bold")
        _finish(axes, [*names, "whole request"])
    save(figure, target)


def save(figure: Figure, target: Path) -> None:
    """Write a figure as a PNG."""
    figure.savefig(target, dpi=130)


def _draw_rates(axes: Axes, results: Results, workload: Workload, peers: list[Peer]) -> None:
    rates: list[float] = []
    for place, peer in enumerate(peers):
        summary = results.summary(peer.name, workload)
        if summary is None or summary.rate <= 0:
            axes.text(0.01, place, "not measured", transform=_row_of(axes), va="center")
            continue
        rates.append(summary.rate)
        axes.barh(place, summary.rate, color=_colour(peer), height=0.7)
        ratios = [results.ratio(peer.name, name, workload) for name in YARDSTICKS]
        said = [_figure(summary.rate)]
        said += ["–" if ratio is None else f"{_figure(ratio)}×" for ratio in ratios]
        said.append(share(results, peer, workload) or "–")
        axes.text(summary.rate * 1.1, place, "  ".join(said), va="center")
    axes.set_xscale("log")
    if rates:
        axes.set_xlim(min(rates) / 2, max(rates) * 30)
    axes.set_xlabel(
        f"{workload.unit}; as a multiple of {' and of '.join(YARDSTICKS)}; in % of {FLOOR.name}"
    )
    axes.set_title(titled(workload), loc="left", fontweight="bold")
    _finish(axes, [peer.name for peer in peers])


def _draw_latencies(axes: Axes, results: Results, workload: Workload, peers: list[Peer]) -> None:
    for place, peer in enumerate(peers):
        summary = results.summary(peer.name, workload)
        if summary is None or summary.p50_ms <= 0:
            continue
        colour = _colour(peer)
        axes.plot([summary.p50_ms, summary.p99_ms], [place, place], color=colour, linewidth=3)
        axes.plot(summary.p50_ms, place, "o", color=colour, markeredgecolor="#333333")
        axes.plot(summary.p99_ms, place, "D", color=colour, markeredgecolor="#333333")
    axes.set_xscale("log")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("latency in ms: circle p50, diamond p99")
    _finish(axes, [peer.name for peer in peers])
    axes.set_yticklabels([])


def _finish(axes: Axes, names: list[str]) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(axis="x", color="#e5e5e5")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def _row_of(axes: Axes) -> object:
    return axes.get_yaxis_transform()


def _colour(peer: Peer) -> str:
    if peer.locked:
        return OWN
    return CONSTANT if peer.constant else WITH_MODELS
