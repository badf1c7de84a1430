"""Resistance spot welds: from curves to verdicts.

    WeldBatch --features--> Features --judge(state)--> Verdicts
                                          |
                              references per stream (spot x programme)

`batch` holds the struct of arrays, `features` reduces curves to numbers, `reference` keeps what is normal for each
stream, `judge` puts the two together and `explain` says the result in words.
"""
