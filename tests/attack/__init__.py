"""Clients that hold on: what an attacker can hold, and what all others get meanwhile."""
