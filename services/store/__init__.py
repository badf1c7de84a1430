"""Where results live: one `Store` protocol (`protocol`), its row schemas (`schema`), and two backends behind it.

`duck` keeps everything in one file beside the pipeline; `influx` writes to InfluxDB 2 and is read by servers elsewhere.
"""
