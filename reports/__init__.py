"""Frames in, tables, figures and pages out; everything is computed from the result store alone."""
