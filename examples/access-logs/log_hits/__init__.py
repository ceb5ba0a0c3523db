"""log-hits: web access logs go through a program of their own, which counts."""
