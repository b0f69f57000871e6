"""Samples from files, pipes and Lab Streaming Layer, through a model as they come, and a page that shows it.

`source` brings the samples (`lines` reads those that come as text), `live` turns them into numbers, `serve`
and `page` show them. The first three know nothing of the web; the last two need Bokeh: extra `monitor`.
"""
