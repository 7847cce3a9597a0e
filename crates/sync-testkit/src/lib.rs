//! Conformance suite, store suite, records suite, fault injection.
