"""`lineside doctor`: looks at everything Lineside stands on and says what to do about each finding.

    settings -> machine (clock, disk, Python) -> data folder -> broker -> store -> page

Each module has one `check_…` that yields findings (`edge.findings`); `examination` runs them in order. Nothing that
they write stays: no topic, session, point, row or file.
"""
