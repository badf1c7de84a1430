"""Why a weld is a defect, or why it cannot be judged: the closed list of causes."""

DEFECT_CAUSES = {
    "no_current": "no welding current flowed",
    "expulsion": "molten metal left the joint (expulsion)",
    "low_heat": "too little heat: risk of a stick weld or an undersized nugget",
    "excess_heat": "too much heat",
    "missing_sheet": "resistance unlike this stack's: missing sheet or wrong stack-up",
    "shunting": "part of the current went another way: shunting through neighbouring spots",
    "edge_weld": "contact too small under pressure: edge weld or misaligned electrodes",
    "poor_fit_up": "contact at the start unlike this spot's: poor fit-up or too little force",
    "worn_electrode": "contact too large: electrode worn out",
    "mains_dip": "the current dipped during the weld: mains dip",
    "shape": "the curve departs from this spot's reference",
}
UNJUDGED_CAUSES = {
    "learning": "the reference is still being learnt",
    "excluded": "an engineer has taken this spot out of judgement",
    "conditioning": "the electrode caps are new and still conditioning",
    "dead_voltage": "the voltage pick-up reads nothing while current flows",
    "dead_current": "the current sensor reads nothing while there is voltage",
    "clipped": "a sensor is clipped at the end of its range",
    "too_short": "too few samples with current",
    "gap": "samples are missing from the curve",
}
CAUSES = DEFECT_CAUSES | UNJUDGED_CAUSES
