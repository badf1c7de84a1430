"""The joint: current source, contacts, heat and melt of many welds, one step of time after another.

A lumped model after the resistance terms of W. F. Savage, E. F. Nippes and F. A. Wassell (Welding Journal 57, 1978,
43-s): film and constriction at the contacts, bulk resistivity that rises with temperature, one hot zone at the faying
interfaces, one node for the bulk of the sheets, enthalpy with latent heat, losses to the electrodes and to the cold
sheet round the spot. It knows nothing of features or references: α, β and the fall come out of it. The constants
marked "fitted" were chosen so that 0.7-1.5 mm coated steel welds at 8-12 kA with 1-2 V and 4-7 mm nuggets.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Struct = TypeVar("Struct", "Setup", "Fixed", "State")

PRE_MS = 4
"""Recorded before the current starts."""
POST_MS = 10
"""Recorded after it ends."""
RISE_MS, FALL_MS = 2.5, 0.8
"""Time constants of the inverter's current."""
LOOP_V_MS_KA = 0.03
"""Voltage that the loop of the pick-up's wires takes from a changing current."""
AMBIENT_C, WATER_C = 25.0, 40.0
MELT_C = 1500.0
LATENT_K = 390.0
"""Latent heat of fusion as degrees of sensible heat: 270 kJ/kg at 0.69 kJ/(kg·K)."""
HEAT_J_MM3_K = 5.1e-3
ZONE = 2.2
"""Heated volume in units of the column between the electrodes (fitted)."""
FLAT_C, HOT_SLOPE = 900.0, 1.0e-4
"""Resistivity rises up to here, and by this share per degree beyond."""
FACE_SHARE = 0.3
"""Height of the hot zone, share of the total thickness (fitted)."""
PEAK, PROFILE = 1.40, 0.85
"""Enthalpy on the axis of the hot zone in units of its mean, and the share by which it falls to the contact's edge."""
ELECTRODE_W_MM2_K, EXCHANGE_W_MM2_K, RADIAL_W_MM2_K = 0.036, 0.080, 0.044
"""Heat flow: bulk to electrodes and hot zone to bulk (times area over half the thickness, mm), hot zone to the cold
sheet (times circumference and thickness) (fitted)."""
STIRRING = 1.6
"""How much better the pool passes heat on when its mean is at the melting point (fitted)."""
CONSTRICTION_UOHM, ELECTRODE_REST_UOHM = 26.0, 7.0
"""Of one faying interface, and of both electrode interfaces, at 3 kN in deep-drawing steel when cold (fitted)."""
CONTACT_START, CONTACT_GROWTH = 0.66, 0.60
"""Share of the tip's face in contact when cold, and what softening adds (fitted)."""
CONTACT_MS = 75.0
MELT_KN_MM2, MELT_KN_MM2_K = 0.084, 1.5e-5
"""Pressure of the melt at its melting point, and more per degree on the axis above (fitted)."""
REST_MS = 40.0
"""After an expulsion the joint stays closed this long."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What each of `n` welds meets; every field (n,) float32."""

    preheat_ka: Array
    preheat_ms: Array
    gap_ms: Array
    main_ka: Array
    main_ms: Array
    force_kn: Array
    """As applied."""
    force_set_kn: Array
    """As programmed."""
    tip_mm: Array
    """Diameter of the electrode's face."""
    bearing: Array
    """Share of the face that bears on sheet: less than 1 at an edge or when misaligned."""
    total_mm: Array
    """Thickness of all sheets."""
    faces: Array
    """Faying interfaces: sheets less one."""
    reach: Array
    """Nugget at the worst interface relative to the middle of the stack."""
    rho_cold: Array
    """µΩ·mm."""
    rho_hot: Array
    strength: Array
    """Yield strength relative to deep-drawing steel."""
    film_uohm: Array
    """Of one faying interface at 3 kN, before breakdown."""
    electrode_film_uohm: Array
    """Of both electrode interfaces together, likewise."""
    gap: Array
    """Fit-up: 0 the sheets touch, 1 they barely do when the current starts."""
    shunt_per_uohm: Array
    """Conductance of the path through neighbouring spots."""
    open_v: Array
    """Voltage of the rectifier without load."""
    secondary_uohm: Array
    """Resistance of cables, arms and electrodes."""
    containment: Array
    """How well the solid ring holds the melt; 1 is nominal."""
    dip_from_ms: Array
    """Mains dip, from the start of the record; NaN when there is none."""
    dip_to_ms: Array
    dip_depth: Array
    """Share of the voltage lost meanwhile."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """What follows from a setup and stays the same through the weld."""

    tip_mm2: Array
    cold_area: Array
    soft_area: Array
    film: Array
    constriction: Array
    electrode_film: Array
    electrode_rest: Array
    face_mm: Array
    body_mm: Array
    kelvin_per_w_hot: Array
    """Warming of the hot zone by one watt in one step."""
    kelvin_per_w_bulk: Array
    into_electrode: Array
    """W/K per mm² of contact."""
    exchange: Array
    radial: Array
    """W/K."""
    burst_kn: Array
    rho_fall: Array
    gap_from_ms: Array
    main_from_ms: Array
    main_to_ms: Array

    @classmethod
    def of(cls, setup: Setup, step_ms: np.float32) -> Fixed:
        """Work it out."""
        f32 = np.float32
        ratio = np.sqrt(setup.force_kn / setup.force_set_kn)
        tip = f32(np.pi / 4) * np.square(setup.tip_mm) * setup.bearing
        pressing = np.sqrt(f32(3.0) / setup.force_kn)
        face = f32(FACE_SHARE) * setup.total_mm
        column = f32(HEAT_J_MM3_K * ZONE) * tip
        half = setup.total_mm * f32(0.5)
        main_from = f32(PRE_MS) + setup.preheat_ms + setup.gap_ms
        return cls(
            tip_mm2=tip,
            cold_area=tip * f32(CONTACT_START) * ratio / np.sqrt(np.sqrt(setup.strength)),
            soft_area=tip * f32(CONTACT_GROWTH) * ratio,
            film=setup.faces * setup.film_uohm * pressing,
            constriction=setup.faces * f32(CONSTRICTION_UOHM) * np.sqrt(setup.strength) * pressing,
            electrode_film=setup.electrode_film_uohm * pressing,
            electrode_rest=f32(ELECTRODE_REST_UOHM) * np.sqrt(setup.strength) * pressing,
            face_mm=face,
            body_mm=setup.total_mm - face,
            kelvin_per_w_hot=np.divide(f32(step_ms / 1000), column * face),
            kelvin_per_w_bulk=np.divide(f32(step_ms / 1000), column * (setup.total_mm - face)),
            into_electrode=f32(ELECTRODE_W_MM2_K) / half,
            exchange=f32(EXCHANGE_W_MM2_K) / half,
            radial=f32(RADIAL_W_MM2_K * np.pi) * setup.tip_mm * setup.total_mm,
            burst_kn=setup.containment * setup.force_kn,
            rho_fall=setup.rho_hot - setup.rho_cold,
            gap_from_ms=f32(PRE_MS) + setup.preheat_ms,
            main_from_ms=main_from,
            main_to_ms=main_from + setup.main_ms,
        )


@dataclass(frozen=True, slots=True)
class State:
    """Where `n` welds stand; the arrays are changed in place."""

    current: Array
    """kA through the gun."""
    voltage: Array
    """V between the tips."""
    hot: Array
    """Mean enthalpy of the hot zone, as °C of sensible heat."""
    bulk: Array
    film: Array
    """Share of the faying films that is left."""
    electrode_film: Array
    closed: Array
    """Share of the contact that a fit-up gap has left."""
    area: Array
    """Contact, mm²."""
    indent_mm: Array
    kick: Array
    """Share of force that an expulsion has just taken."""
    resistance: Array
    """µΩ between the tips."""
    nugget_sq: Array
    """Largest squared nugget diameter, mm²."""
    lost: Array
    """Share of the melt expelled."""
    expelled_ms: Array
    """Time of the first expulsion, NaN before."""
    rest_until_ms: Array
    force_share: Array
    displacement: Array

    @classmethod
    def of(cls, setup: Setup) -> State:
        """Return the state before the current starts."""
        zero = np.zeros_like(setup.main_ka)
        start = {
            "hot": AMBIENT_C, "bulk": AMBIENT_C, "film": 1.0, "electrode_film": 1.0, "expelled_ms": np.nan,
            "force_share": 1.0, "resistance": 300.0,
        }  # fmt: skip
        state = cls(*(zero + np.float32(start.get(field.name, 0.0)) for field in fields(cls)))
        state.closed[:] = 1 - np.float32(0.8) * setup.gap
        tip = np.float32(np.pi / 4 * CONTACT_START) * np.square(setup.tip_mm) * setup.bearing
        state.area[:] = tip * state.closed
        return state


def head(struct: Struct, n: int) -> Struct:
    """Return the first `n` welds of a struct, as views."""
    return type(struct)(*(getattr(struct, field.name)[:n] for field in fields(struct)))


def advance(state: State, setup: Setup, fixed: Fixed, time_ms: np.float32, step_ms: np.float32) -> None:
    """Go on by one step of `step_ms` from `time_ms` after the start of the record."""
    before = state.current.copy()
    _drive(state, setup, fixed, time_ms, step_ms)
    t_hot, t_bulk = temperature(state.hot), temperature(state.bulk)
    cold_hot, cold_bulk = _coldness(t_hot), _coldness(t_bulk)
    rho_hot = (setup.rho_hot - fixed.rho_fall * np.square(cold_hot)) * (1 + np.float32(HOT_SLOPE) * t_hot)
    rho_bulk = (setup.rho_hot - fixed.rho_fall * np.square(cold_bulk)) * (1 + np.float32(HOT_SLOPE) * t_bulk)

    body = np.maximum(fixed.body_mm - state.indent_mm, np.float32(0.1))
    r_faces = (fixed.film * state.film + fixed.constriction * cold_hot) / state.closed
    r_electrodes = fixed.electrode_film * state.electrode_film + fixed.electrode_rest * (
        np.float32(0.3) + np.float32(0.7) * cold_bulk
    )
    r_hot = rho_hot * fixed.face_mm / state.area + r_faces
    r_bulk = rho_bulk * body / state.area
    total = r_hot + r_bulk + r_electrodes
    beside = 1 + total * setup.shunt_per_uohm  # what the gun carries per kA through the joint
    state.resistance[:] = total / beside
    state.voltage[:] = (
        state.current * state.resistance / np.float32(1000)
        + np.float32(LOOP_V_MS_KA) * (state.current - before) / step_ms
    )

    square = np.square(state.current / beside)
    # The pool is stirred by the current's own field: the more is molten, the better it passes its heat on.
    stirred = 1 + np.float32(STIRRING) * np.clip((state.hot - np.float32(1100)) / np.float32(800), 0, 1.5)
    to_bulk = fixed.exchange * stirred * state.area * (t_hot - t_bulk)
    away = fixed.radial * (t_hot - np.float32(AMBIENT_C))
    cooled = fixed.into_electrode * state.area * (t_bulk - np.float32(WATER_C))
    state.hot[:] += fixed.kelvin_per_w_hot * (square * r_hot - to_bulk - away)
    state.bulk[:] += fixed.kelvin_per_w_bulk * (square * (r_bulk + np.float32(0.4) * r_electrodes) + to_bulk - cooled)

    _contacts(state, fixed, t_hot, cold_hot, cold_bulk, step_ms)
    _melt(state, setup, fixed, time_ms, step_ms)


def temperature(enthalpy: Array) -> Array:
    """Return °C of an enthalpy in degrees of sensible heat: flat while melting."""
    melt = np.float32(MELT_C)
    result: Array = np.minimum(enthalpy, melt) + np.maximum(enthalpy - np.float32(MELT_C + LATENT_K), 0)
    return result


def _coldness(celsius: Array) -> Array:
    """Return 1 at 0 °C, falling to 0 where resistivity is flat and asperities have no strength left."""
    result: Array = np.maximum(1 - celsius * np.float32(1 / FLAT_C), 0)
    return result


def _drive(state: State, setup: Setup, fixed: Fixed, time_ms: np.float32, step_ms: np.float32) -> None:
    """Let the inverter follow its schedule, as far as its voltage reaches."""
    want = np.where(time_ms < fixed.gap_from_ms, setup.preheat_ka, 0)
    want = np.where(time_ms >= fixed.main_from_ms, setup.main_ka, want)
    on = (time_ms >= PRE_MS) & (time_ms < fixed.main_to_ms)
    dipped = (time_ms >= setup.dip_from_ms) & (time_ms < setup.dip_to_ms)
    open_v = np.where(dipped, setup.open_v * (1 - setup.dip_depth), setup.open_v)
    reach = np.float32(1000) * open_v / (setup.secondary_uohm + state.resistance)
    want = np.where(on, np.minimum(want, reach), 0)
    rise = np.float32(1 - np.exp(-step_ms / RISE_MS))
    fall = np.float32(1 - np.exp(-step_ms / FALL_MS))
    state.current[:] += np.where(want > state.current, rise, fall) * (want - state.current)


def _contacts(state: State, fixed: Fixed, t_hot: Array, cold_hot: Array, cold_bulk: Array, step_ms: np.float32) -> None:
    """Break the films down, close the gap, soften and widen the contact, sink the electrodes in."""
    f32 = np.float32
    carrying = f32(0.006) * state.current + f32(0.14) * np.minimum((t_hot - f32(AMBIENT_C)) / f32(250), f32(1.5))
    state.film[:] *= 1 - np.minimum(step_ms * carrying, f32(0.9))
    state.electrode_film[:] *= 1 - np.minimum(step_ms * f32(0.7) * carrying, f32(0.9))
    state.closed[:] += step_ms * f32(0.06) * (1 - cold_hot) * (1 - state.closed)
    soft = np.minimum(state.bulk * f32(1 / 1500), 1)
    soft *= soft
    target = (fixed.cold_area + fixed.soft_area * soft) * state.closed
    state.area[:] += step_ms * f32(1 / CONTACT_MS) * (target - state.area)
    rate = f32(0.0035) * soft * (1 - cold_bulk) * fixed.body_mm
    sinking = rate * np.maximum(1 - state.indent_mm / (f32(0.2) * fixed.body_mm), 0)
    state.indent_mm[:] += step_ms * sinking


def _melt(state: State, setup: Setup, fixed: Fixed, time_ms: np.float32, step_ms: np.float32) -> None:
    """Grow the nugget, and expel melt where its pressure beats the force that holds it."""
    f32 = np.float32
    axis = state.hot * f32(PEAK)
    melted = np.maximum(1 - f32(MELT_C + LATENT_K / 2) / np.maximum(axis, 1), 0) / f32(PROFILE)
    diameter_sq = melted * f32(4 / np.pi) * state.area
    over = np.maximum(axis - f32(MELT_C + LATENT_K), 0)
    push = f32(np.pi / 4) * diameter_sq * (f32(MELT_KN_MM2) + f32(MELT_KN_MM2_K) * over)
    state.nugget_sq[:] = np.maximum(state.nugget_sq, diameter_sq * np.square(setup.reach))
    state.kick[:] *= 1 - step_ms / f32(18)
    # Once the current is off the pool shrinks: nothing is expelled any more.
    burst = (push > fixed.burst_kn) & (time_ms >= state.rest_until_ms) & (setup.faces > 0) & (state.current > 1)
    if burst.any():
        _expel(state, fixed, np.flatnonzero(burst), push, time_ms)
    hot = state.hot - f32(AMBIENT_C)
    bulk = state.bulk - f32(AMBIENT_C)
    grown = f32(2.0e-5) * (hot * fixed.face_mm + bulk * fixed.body_mm)
    state.displacement[:] = grown - state.indent_mm
    state.force_share[:] = 1 + f32(0.12) * grown - state.kick


def _expel(state: State, fixed: Fixed, at: NDArray[np.int64], push: Array, time_ms: np.float32) -> None:
    """Let melt out of the welds `at`: the sheets close up, the contact widens, heat and force go with it."""
    f32 = np.float32
    # The further the pressure was above what held it, the more leaves at once.
    share = np.clip(f32(0.15) + f32(0.9) * (push[at] / fixed.burst_kn[at] - 1), f32(0.15), f32(0.30))
    state.area[at] *= 1 + share * f32(0.6)
    state.indent_mm[at] += share * f32(0.6) * fixed.body_mm[at] * f32(0.5)
    state.hot[at] *= 1 - share * f32(0.6)
    state.lost[at] = np.minimum(state.lost[at] + share, f32(0.6))
    state.kick[at] = share * f32(0.5)
    state.rest_until_ms[at] = time_ms + f32(REST_MS)
    fresh = at[np.isnan(state.expelled_ms[at])]
    state.expelled_ms[fresh] = time_ms
