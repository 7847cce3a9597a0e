//! Observe, plan, gate, apply, recover: one run, end to end.
