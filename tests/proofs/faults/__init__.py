"""Every way in which a provider fails, for every kind of work, with a healthy second target behind it.

`python -m tests.proofs.faults` prints the table; each of its cells is what the worst of its requests came to, by the
caller's view and the vendors':

pass     the caller got the one right answer, complete
safe     it was told clearly that there is none, and has nothing that looks like one
partial  what it got breaks off, and nobody said so
fail     what looks complete is not, or is wrong; it waited beyond the deadline; it was charged for what a vendor
         refused, or twice; a vendor works on for nobody; a key went where a redirect pointed
"""
