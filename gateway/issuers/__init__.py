"""Tokens (JWT) of identity providers that the operator names, in the place of keys.

PyJWT is imported by `keys` and `verify` only, and those where an issuer is configured.
"""
