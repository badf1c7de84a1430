"""What each process of Lineside does, one module a role, each with `run(job, stop, log)`.

    collector  broker -> journal                    simulator  a body shop without hardware
    pipeline   journal -> store, archive, feed      broker     the demo's own broker
    server     pipeline and web server in one process, for the embedded store

`services.workers` loads the one module that a process needs, so that it starts quickly.
"""
