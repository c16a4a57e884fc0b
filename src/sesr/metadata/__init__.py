"""What a picture file says besides its pixels: color descriptions, EXIF, XMP, IPTC."""
