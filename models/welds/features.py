"""Curves to numbers."""

FEATURES = (
    "weld_time_ms",
    "current_rms_ka",
    "voltage_rms_v",
    "energy_j",
    "r_alpha_uohm",
    "r_beta_uohm",
    "t_beta_ms",
    "r_end_uohm",
    "r_drop_uohm",
    "r_slope_uohm_per_ms",
    "step_uohm",
    "force_mean_kn",
)
