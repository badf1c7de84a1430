"""Statistical process control: what is noise and what is change, at a false-alarm rate that the plant has chosen.

`run_length` turns a budget of false alarms per hour into limits, `charts` runs EWMA and CUSUM charts over many streams
at once, `nelson` tells which run rules a series breaks, `proportions` charts rates that scatter more than binomially,
and `autocorrelation` takes the memory out of a series, or says how much wider it makes a chart's limits.
"""
