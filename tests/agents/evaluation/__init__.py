"""Tests of what every agent is made of."""
