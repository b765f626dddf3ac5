"""People are told what goes wrong, once, and once that it is over.

`incidents`: what a look makes of the facts. `words`: how it is said. `sending`: one message to one
channel. `outage`: a database that is away. `keeper`: the loop that does it all.
"""
