//! Store, Grants, Counters and embedded Records on SQLite.
