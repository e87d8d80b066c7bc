"""Pictures of a fit and of a network, drawn with matplotlib in one style: a file for each subject.

`hotloop.plots` is the short way here.
"""
