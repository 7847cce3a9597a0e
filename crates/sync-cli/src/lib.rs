//! syncctl: the engine as a program.
