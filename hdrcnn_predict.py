"""Reconstruct the lost highlights of photographs: `hdrcnn-predict` without an installation.

python hdrcnn_predict.py --im_dir=data --out_dir=out --previews
"""

from hdrcnn.cli.predict import entry

if __name__ == "__main__":
    entry()
