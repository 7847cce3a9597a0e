//! The one way out: authentication, budgets, retry, redaction.
