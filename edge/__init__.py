"""Near the machines: receive, keep, translate.

    broker --> collector --> journal --> sources (bytes -> typed batch, or a reject with its reason)

`plant` names what stands in the body shop, `topics` names the streams on the wire, `simulator` is a body shop
without hardware. Nothing in here judges: that is `models`, driven by `services`.
"""
