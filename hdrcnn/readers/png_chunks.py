"""PNG files without the text that no reader here needs, however much there is of it.

Source: PNG, third edition (clause 5.3, chunk layout; 11.3.3, textual information).
"""

import struct

_TEXT = (b"tEXt", b"zTXt", b"iTXt")
_WANTED = (b"XML:com.adobe.xmp\0", b"Raw profile type exif\0")


def lean(data: bytes) -> bytes:
    """The file with of its texts only XMP and Exif data, each once, and one profile at most.

    From where its chunks are damaged it stays as it is.
    """
    kept, seen, at, begun = [], set(), 8, 0
    while at + 12 <= len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        end = at + 12 + size
        keyword = name
        if name in _TEXT:
            start = data[at + 8 : min(at + 8 + 80, end - 4)]
            keyword = next((text for text in _WANTED if start.startswith(text)), b"")
        elif name != b"iCCP":
            at = end
            if name == b"IEND" or end > len(data):
                break
            continue
        if not keyword or keyword in seen:
            kept.append(data[begun:at])
            begun = end
        seen.add(keyword)
        at = end
    return b"".join((*kept, data[begun:])) if kept else data
