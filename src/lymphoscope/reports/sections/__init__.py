"""The sections of the report, one module each; `lymphoscope.reports.registry` finds them."""
