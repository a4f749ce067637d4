"""Groundwork for Singer taps and targets on singer-sdk: lines, exit codes, and a target that keeps its order."""
