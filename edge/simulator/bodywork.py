"""Where a car body has its weld flanges.

A body-in-white of 4.6 m: rows of spots run along flanges, given here as polylines of the left half (y >= 0) in mm;
the right half mirrors them. Regions come in the order in which the cells weld them: first the underbody from front to
rear, then the sides, roof and closings of the framing line.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Point = tuple[float, float, float]


class Flange(NamedTuple):
    """One row of spots."""

    program: str
    points: tuple[Point, ...]


REGIONS: tuple[tuple[str, tuple[Flange, ...]], ...] = (
    ("front rails", (
        Flange("23", ((120, 470, 430), (700, 460, 420), (1150, 450, 330))),
        Flange("22", ((120, 390, 520), (700, 380, 510), (1150, 370, 420))),
        Flange("21", ((60, 0, 390), (60, 300, 390), (90, 520, 420))),
    )),
    ("front wheel houses", (
        Flange("12", ((450, 640, 520), (560, 660, 690), (760, 670, 760), (960, 660, 690), (1060, 640, 520))),
        Flange("22", ((380, 600, 830), (800, 620, 860), (1200, 650, 900))),
        Flange("21", ((1200, 120, 560), (1220, 400, 620), (1230, 700, 760))),
    )),
    ("front floor", (
        Flange("12", ((1300, 160, 240), (1800, 150, 230), (2300, 150, 230))),
        Flange("31", ((1350, 740, 180), (1800, 745, 170), (2350, 745, 170))),
        Flange("11", ((1500, 170, 180), (1500, 450, 170), (1500, 720, 170))),
        Flange("21", ((2000, 170, 210), (2000, 450, 200), (2000, 720, 200))),
    )),
    ("rear floor", (
        Flange("12", ((2450, 120, 260), (2850, 120, 330), (3150, 120, 360))),
        Flange("32", ((2400, 740, 190), (2800, 720, 240), (3100, 640, 330))),
        Flange("21", ((2450, 130, 240), (2450, 430, 240), (2450, 720, 220))),
        Flange("11", ((2900, 140, 330), (2900, 380, 330), (2900, 620, 320))),
    )),
    ("rear rails and boot floor", (
        Flange("22", ((3100, 540, 400), (3600, 530, 450), (4250, 520, 430))),
        Flange("12", ((3250, 100, 400), (3600, 330, 410), (4200, 460, 400))),
        Flange("21", ((4300, 0, 420), (4320, 300, 430), (4300, 560, 460))),
    )),
    ("rear wheel houses", (
        Flange("12", ((3050, 680, 420), (3150, 690, 640), (3400, 700, 740), (3650, 690, 650), (3750, 680, 430))),
        Flange("31", ((3100, 600, 560), (3250, 610, 720), (3420, 610, 780), (3600, 600, 700))),
        Flange("11", ((3400, 560, 780), (3420, 600, 900), (3430, 640, 980))),
    )),
    ("sills", (
        Flange("33", ((1250, 800, 150), (1900, 810, 140), (2500, 810, 140), (2950, 800, 160))),
        Flange("32", ((1250, 780, 360), (1900, 790, 350), (2500, 790, 350), (2950, 780, 370))),
    )),
    ("A pillars", (
        Flange("41", ((1250, 810, 380), (1260, 820, 700), (1350, 800, 960))),
        Flange("33", ((1350, 790, 960), (1650, 700, 1180), (1950, 600, 1330))),
        Flange("23", ((1400, 830, 400), (1410, 830, 700), (1480, 810, 950))),
    )),
    ("B pillars", (
        Flange("41", ((2250, 830, 300), (2270, 830, 700), (2300, 790, 1000), (2330, 640, 1330))),
        Flange("33", ((2390, 830, 300), (2400, 830, 700), (2400, 790, 1000), (2410, 640, 1330))),
    )),
    ("rear side panels", (
        Flange("12", ((3000, 830, 320), (3080, 835, 620), (3300, 840, 830), (3600, 835, 760))),
        Flange("31", ((3000, 780, 960), (3400, 720, 1180), (3750, 640, 1050), (3950, 700, 920))),
        Flange("11", ((3750, 830, 480), (4050, 800, 560), (4350, 740, 700))),
    )),
    ("roof", (
        Flange("21", ((1980, 590, 1340), (2500, 600, 1400), (3100, 590, 1370), (3350, 570, 1300))),
        Flange("31", ((1960, 0, 1350), (1970, 300, 1345), (1985, 560, 1335))),
        Flange("11", ((2600, 0, 1395), (2600, 300, 1392), (2600, 570, 1385))),
        Flange("12", ((3360, 0, 1310), (3370, 300, 1305), (3360, 560, 1295))),
    )),
    ("cowl and rear panel", (
        Flange("12", ((1180, 0, 900), (1200, 350, 910), (1260, 700, 920))),
        Flange("21", ((1190, 0, 780), (1210, 350, 790), (1250, 720, 800))),
        Flange("12", ((4480, 0, 520), (4500, 350, 540), (4420, 700, 640))),
        Flange("22", ((4430, 0, 860), (4440, 350, 850), (4380, 680, 820))),
    )),
)  # fmt: skip


def place_spots(regions: range, share: tuple[int, int], count: int) -> tuple[list[str], NDArray[np.float64]]:
    """Place `count` spots along the flanges of some regions, evenly by length, neighbours next to each other.

    The row runs along the left half and back along the right one. `share` is (which, of how many) when several cells
    weld the same flanges: each takes its own places between the others'. Returns the programme of each spot and
    (count, 3) positions, mm.
    """
    flanges = [flange for index in regions for flange in REGIONS[index][1]]
    starts, ends, programs = [], [], []
    for side in (1.0, -1.0):
        for flange in flanges if side > 0 else flanges[::-1]:
            points = np.array(flange.points, dtype=np.float64) * np.array([1.0, side, 1.0])
            if side < 0:
                points = points[::-1]
            starts.append(points[:-1])
            ends.append(points[1:])
            programs += [flange.program] * (len(points) - 1)
    start, end = np.concatenate(starts), np.concatenate(ends)
    lengths = np.linalg.norm(end - start, axis=1)
    edges = np.concatenate(([0.0], np.cumsum(lengths)))
    which, of = share
    along = (np.arange(count) + (which + 0.5) / of) / count * edges[-1]
    piece = np.clip(np.searchsorted(edges, along, side="right") - 1, 0, len(lengths) - 1)
    part = ((along - edges[piece]) / lengths[piece])[:, None]
    return [programs[k] for k in piece], start[piece] + part * (end[piece] - start[piece])
