//! The crate a host depends on: registry, routing, Dispatcher.
