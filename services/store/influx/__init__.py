"""The store over InfluxDB 2.

    Commit --points--> lines --session--> InfluxDB --queries (Flux)--> session --answers--> Arrow tables
                                             ^-- hours that are over, counted (`counts`)

Every point carries its whole row as one JSON field, `row`, beside the fields that people chart. One value is written
and read as a whole, so a reader never sees half a row, nulls stay nulls, and one field is read instead of fifty.

    measurement  tags                                    time                      fields besides row
    weld         site area line cell gun spot program    of the weld               verdict, features, 0/1s, mark
    log          slot                                    of the weld *             finding: the row unless it is ok
    body         slot                                    first_ns *                all columns, qualified_0/1 counts
    event        site area line cell kind gun spot ...   of the event *            all columns
    reject       source                                  receipt *                 all columns, order
    lookup       kind slot                               of the weld *             key: weld id or body
    account      source                                  minute of the snapshot    the account, for charts over time
    spot_state   spot program                            STATES_NS                 all columns
    agv          agv                                     STATES_NS                 all columns
    source       source                                  STATES_NS                 all columns
    rate_cell_*  site area line cell cause               start of day, hour, 5 min  ok, defect, unjudged (no row)
    rate_spot_*  site area line cell gun spot program    start of day, hour         ok, defect, unjudged (no row)
    counted, reopened                                    STATES_NS, of the hour    until_ns, open (no row)
    progress                                             STATES_NS                 cursor, sources_at_ns, layout

Latest states all lie at one instant, so that a new one overwrites the old and nothing piles up. (*) Several bodies,
events or rejects can share an instant; the digits below the millisecond are then a hash of what tells them apart.
"""
