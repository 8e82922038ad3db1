"""Trials that any OAuth client can be put through, and the score sheet that they fill in.

An emulated authorization server rotates refresh tokens and misbehaves on order. The client runs in
processes of its own, which can be killed, stopped and kept from saving. What counts is what the
server saw.
"""
