"""Why a weld is a defect, or why it cannot be judged: the closed list of causes."""

DEFECT_CAUSES = {
    "no_current": "no welding current flowed",
    "expulsion": "molten metal left the joint (expulsion)",
    "low_heat": "too little heat: risk of a stick weld or an undersized nugget",
    "excess_heat": "too much heat",
    "missing_sheet": "resistance of the whole weld too low: missing sheet or wrong stack-up",
    "poor_fit_up": "contact at the start unlike this spot's: poor fit-up, edge weld or misalignment",
    "shape": "the curve departs from this spot's reference",
}
UNJUDGED_CAUSES = {
    "learning": "the reference is still being learnt",
    "conditioning": "the electrode caps are new and still conditioning",
    "dead_voltage": "the voltage pick-up reads nothing while current flows",
    "dead_current": "the current sensor reads nothing while there is voltage",
    "clipped": "a sensor is clipped at the end of its range",
    "too_short": "too few samples with current",
    "gap": "samples are missing from the curve",
}
CAUSES = DEFECT_CAUSES | UNJUDGED_CAUSES
