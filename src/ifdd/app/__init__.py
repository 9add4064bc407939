"""The page in the browser: recognise videos, look at the results, read the camera.

``ifdd app`` serves it from this computer. ``server`` and ``static/`` are the page; everything else is plain state that
works without a browser.
"""
