"""What tests share: doubles (fakes in memory), parts (the real ones), faults (what judges a fault under a running operator)."""
