"""Rules: what a tenant decides once about what arrives by a way, with a key, from a person or under a name.

models      a tenant's ordered list
conditions  what a rule asks of an arrival
effects     what a rule gives, checked when it is made
editing     access to a tenant's rules
applying    the rules that hold for an arrival, and what they give it in the transaction that accepts it
"""
