"""Films: decoded frame by frame, cut into segments, encoded as HDR10 or HLG, and joined.

    source      which film: streams, colours, every frame's time; nothing is decoded
    colours     what its tags say, and what is assumed of a film without them
    decode      frames from one time to another, deinterlaced, as R'G'B'
    folder      the same of a folder of pictures
    cuts        where one shot ends and the next begins
    segments    seconds that are converted at once, and which of them are there already
    encode      PQ or HLG codes to HEVC Main 10 or AV1, 10 bits, with their tags
    light       MaxCLL and MaxFALL of the whole film, put into packets that are encoded already
    copied      sound, subtitles, chapters and metadata, which are not encoded
    join        segments and what is copied to one file
    tags        what that file says, read back
    rotation    frames that go into a folder, turned as players turn the film

A *segment* starts with a key frame and is encoded on its own, so that a film is as many independent
pieces of work; a *shot* is what lies between two cuts. They have nothing to do with each other: a
method looks at the frames around a segment, too. A *time* is a whole number in units of the
film's time base, the presentation time stamp.

PyAV (FFmpeg) is an optional package: `library.pyav`.
"""
