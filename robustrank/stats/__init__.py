"""Every interval, bound, p value and resample, each written once."""
