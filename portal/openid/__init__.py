"""The portal as a client of OpenID providers, by their standard: authorization code, PKCE, nonce, signed ID tokens.

django-allauth's own client checks no nonce, takes an ID token without its signature, and the parameters of a sign-in
from whoever opens it.
"""
