//! What a provider's sign-in means in people's words: data, so that generic code can explain without knowing.

/// The words of one provider's sign-in.
#[derive(Debug, Clone, Copy)]
pub struct SignInWords {
    /// Each scope with what it lets us do, such as "see and change events on calendars that this app makes".
    pub scopes: &'static [(&'static str, &'static str)],
    /// Why sign-ins end there, the surest signs first. The first that fits is told.
    pub ends: &'static [SignInEnd],
}

impl SignInWords {
    /// Nothing to say.
    pub const NONE: Self = Self { scopes: &[], ends: &[] };

    /// What a scope lets us do; the scope itself where there are no words for it.
    pub fn scope<'a>(&self, scope: &'a str) -> &'a str {
        self.scopes.iter().find(|(known, _)| *known == scope).map_or(scope, |(_, words)| words)
    }
}

/// One reason for which sign-ins end.
#[derive(Debug, Clone, Copy)]
pub struct SignInEnd {
    /// By what it is known.
    pub sign: EndSign,
    /// Why, as a clause after "because", such as "apps in testing are signed out after 7 days".
    pub reason: &'static str,
    /// What helps beyond connecting again, as a sentence; empty where nothing does.
    pub remedy: &'static str,
}

/// By what the reason of an end is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndSign {
    /// The sign-in server's error code, or its subtype.
    Code(&'static str),
    /// It worked until it was so many days old, and not after.
    DaysOld(u32),
    /// It was not used for so many days.
    DaysUnused(u32),
    /// Whatever else.
    Any,
}
