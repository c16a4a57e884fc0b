"""Descriptions that picture files carry besides pixels: colors, EXIF, XMP, IPTC."""
