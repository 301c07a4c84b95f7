"""Films: decoded frame by frame, split into segments, encoded as HDR10 or HLG, and joined.

    source         properties of a film: streams, colours, the time of every frame
    colours        colour tags, and what is assumed for a film without them
    decode         frames between two times, deinterlaced, as R'G'B'
    folder         the same for a folder of image files
    cuts           where one shot ends and the next begins
    segments       division into independently converted segments, and which of them are finished
    encode         PQ or HLG codes to 10-bit HEVC Main 10 or AV1, with colour tags
    content_light  MaxCLL and MaxFALL of the whole film, inserted into packets already encoded
    copied         sound, subtitles, chapters and metadata, copied without re-encoding
    join           segments and copied streams combined into one file
    tags           tags of the result, read back and checked
    rotation       frames for a folder, rotated as players rotate the film

A *segment* starts with a key frame and is encoded on its own, so the segments of a film can be
converted independently; a *shot* is the frames between two cuts. The two are unrelated: methods
also look at frames around a segment. A *time* is a presentation time stamp: an integer in units of
the film's time base.

PyAV (FFmpeg) is an optional package: see `library.pyav`.
"""
