"""Where predictions are written: CSV, Parquet, or a folder of Parquet parts."""
