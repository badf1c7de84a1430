"""From message to durable stored verdict: Lineside beside what integrators would otherwise use.

    load --publisher--> mosquitto --> contender (lineside run | lineside edge | plain Python | Node-RED) --> store

Every contender is a real process group; its processor time is read from the system, that of broker, publisher and
influxd is not counted. What one curve costs is (time at the end − time before) / curves, without start-up.
"""
