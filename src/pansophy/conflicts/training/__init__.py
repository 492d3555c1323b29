"""Teaching a model when to believe a text.

`items` are read, `kaft` or `knowpo` build rows of them, `train` makes an adapter of rows, `answering` asks before and
after; `recipes` does all of it.
"""
