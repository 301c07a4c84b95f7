"""One page for a folder of results, which opens offline and shows their light.

entry         turns an image into two small JPEGs (photograph, gain map) and its figures
page          writes pages of one HTML file each; all entries in one, of limited size
page.html     its template: style, and the script that computes light from photograph and gain map

room = bytes_for(len(jobs))
entries = [entry(picture, name, {"EXR": "out/lamp.exr"}, room) for ...]
write_report(out_dir / "report.html", "Photographs", entries)
"""

from hdrcnn.review.entry import Entry, entry
from hdrcnn.review.page import bytes_for, write_report

__all__ = ["Entry", "bytes_for", "entry", "write_report"]
