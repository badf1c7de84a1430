"""From message to durable stored verdict: Lineside beside what integrators would otherwise use.

    load --publisher--> mosquitto --> contender (lineside run | lineside edge | plain Python | Node-RED) --> store

Every contender is a real process group, and its processor time is read from the system; that of broker and publisher is
not counted. What one curve costs is (time at the end − time before) / curves, without start-up. DuckDB works inside of
Lineside's process and influxd is one of its own, so its time is told apart: with it the whole way is compared, without
it what each does of it itself.
"""
