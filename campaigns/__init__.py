"""Segments in; messages, ads and measured outcomes out.

The flow, file by file:

    segments -> plan           services/audience.py, services/planning.py
    plan     -> wire           services/sending.py, channels/
    page     -> ad             services/placements.py
    link     -> outcome        views.py, services/tracking.py
    outcome  -> events         services/tracking.py    (through segmentation)
    outcome  -> verdict        services/results.py, engine/stats.py
    person   -> their rights   services/privacy.py
    all of it, on real data    demo/
"""
