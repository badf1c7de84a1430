"""A body shop without hardware: plant, welds, AGVs and faults, as a pure function of settings and time.

    settings --layout--> spots --schedule--> welds of [t0, t1) --conditions, faults--> inputs --joint--> states
        --sensors--> curves --> WeldBatch + truth --publisher--> broker
    settings --fleet--> VDA 5050 messages of [t0, t1) --publisher--> broker

Nothing is carried from one message to the next: random numbers are counted, not drawn, so any window of time can be
made at any time, in any split, with the same bits. What the simulator knows of its faults travels on the truth topic
alone; nothing that judges may read it.
"""
