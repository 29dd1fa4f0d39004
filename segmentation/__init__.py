"""Catalogue and behaviour in; recommendations and segments out.

The flow, file by file:

    file    -> rows            services/importing.py
    shop    -> events          services/events.py      (the only writer of Event)
    events  -> matrix          frames.py
    matrix  -> model run       services/training/, services/registry.py
    run     -> top-N lists     services/serving/
    vectors -> segments        services/segmenting.py
    rows    -> answers         queries.py
    any background deed        services/jobs.py        (lease, fence, heartbeat, sweep)
"""
