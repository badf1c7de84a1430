"""Lineside as it runs: sustained rate, weld to pixel, soak, idle, and what a browser costs.

    simulator | pacer --> mosquitto --> lineside run (supervisor, collector, server) --> chromium pages | viewers
                 probe --'                                     '--verdict topic--> probe

Everything is a real process on loopback; each is measured by itself, from outside. `python -m benchmarks.live --help`.
"""
