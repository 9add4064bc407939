"""Reports: one self-contained HTML page of training runs, evaluations and cross-validations, side by side."""
