"""Change points in what has been stored: what changed, when, by how much, and what else happened then.

    counts, means per unit and time bucket --scan--> likelihood of a change at each place, in every series at once
        --search--> changes, each given to the smallest group that explains it --causes--> events close before it

A unit is a (cell, gun, spot, programme); series are its sums over the plant and each programme, cell, gun and spot.
"""
