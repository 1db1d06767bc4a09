"""Tests of the simulated gateway: raw HTTP and raw frames, written from the reference, never with our own client."""
