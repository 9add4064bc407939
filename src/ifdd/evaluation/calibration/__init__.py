"""Calibrated confidences: temperature and threshold, reliability, risk and coverage."""
