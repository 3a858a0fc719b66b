"""A copy of a dataset compared with what is known of it: `checks` of the raw tree, `stores` of the frame store.

`expected` says what a complete copy holds, given how it is read. `sheet` draws frames with their labels for a person to
check. Only commands import this room.
"""
