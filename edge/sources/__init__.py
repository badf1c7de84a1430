"""Wire formats: one module per format, each turning the bytes of one message into a typed batch or into rejects.

    (topic, payload) --envelope--> items --weld | event | vda5050--> batch
                                     \\--> Reject (which item, which field, what came, what was expected)

Decoders never raise on bad input and never touch a neighbour: a reject concerns one item. `decode` is the one place
where formats are registered.
"""
