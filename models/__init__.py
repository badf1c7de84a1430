"""What Lineside knows about manufacturing processes, as pure numpy.

Nothing here reads a file, a socket or a clock, and nothing is random unless a generator is passed in: the same
arguments give the same bits on every run. One package per process (`welds`, `fleet`), and beside them what all of
them share: `rates` (how often, and how sure).
"""
