//! The other side: the audience "Newsletter" as the marketer left it.

use jiff::{ToSpan as _, tz::TimeZone};
use sync_sandbox::{AudienceSeed, MailchimpSeed, MemberSeed, MergeFieldSeed};

use super::{
    Shop,
    customers::opted_in,
    seed::{Document, Rng},
};

impl Shop {
    /// The account as the sandbox takes it, opened by this key.
    pub fn mailchimp(&self, api_key: &str) -> MailchimpSeed {
        let document = &self.document;
        let audience = &document.audience;
        let mut rng = Rng::new(document.seed ^ 0x6d61_696c);
        let required = &audience.required_field;
        let mut seed = AudienceSeed::new(&audience.id, &audience.name)
            .with_merge_field(MergeFieldSeed::new(&required.tag, &required.name, "text").required());
        seed.tags.clone_from(&audience.marketer_tags);

        // Every address once, whoever shares it. The walk-ins' is nobody's.
        let mut agreed: Vec<Known> = Vec::new();
        let mut unasked: Vec<Known> = Vec::new();
        let mut taken = self.consenting_addresses();
        for customer in &self.customers {
            let Some(email) = customer.contact.email.as_deref() else { continue };
            let known = Known {
                email: email.to_owned(),
                first: customer.contact.first_name.clone().unwrap_or_default(),
                last: customer.contact.last_name.clone().unwrap_or_default(),
                language: customer.contact.language.clone().unwrap_or_default(),
            };
            if opted_in(&customer.contact) {
                agreed.push(known);
            } else if customer.contact.first_name.is_some() && taken.insert(email.to_lowercase()) {
                unasked.push(known);
            }
        }
        agreed.sort_by(|a, b| a.email.cmp(&b.email));
        agreed.dedup_by(|a, b| a.email == b.email);
        rng.shuffle(&mut agreed);
        rng.shuffle(&mut unasked);

        let mut people = People { document, rng, agreed, unasked, n_strangers: 0 };
        let strangers = &audience.strangers;
        for (status, total, n_strangers, n_unasked) in [
            ("subscribed", audience.subscribed, strangers.subscribed, audience.subscribed_without_local_consent),
            // One in five of those who said no here had never been asked by the shop.
            ("unsubscribed", audience.unsubscribed, strangers.unsubscribed, audience.unsubscribed / 5),
            ("cleaned", audience.cleaned, strangers.cleaned, 0),
            ("archived", audience.archived, strangers.archived, 0),
        ] {
            for n in 0..total {
                let known = if n < n_strangers {
                    people.stranger()
                } else if n < n_strangers + n_unasked {
                    people.unasked.pop()
                } else {
                    people.agreed.pop()
                };
                if let Some(known) = known {
                    seed.members.push(people.member(known, status, n));
                }
            }
        }
        let mut account = MailchimpSeed::new(api_key).with_audience(seed);
        account.account.name.clone_from(&document.name);
        account
    }
}

struct Known {
    email: String,
    first: String,
    last: String,
    language: String,
}

struct People<'a> {
    document: &'a Document,
    rng: Rng,
    agreed: Vec<Known>,
    unasked: Vec<Known>,
    n_strangers: usize,
}

impl People<'_> {
    fn stranger(&mut self) -> Option<Known> {
        self.n_strangers += 1;
        let names = self.document.latin()?;
        Some(Known {
            email: format!("reader.{}@example.net", self.n_strangers),
            first: self.rng.text(&names.first),
            last: self.rng.text(&names.last),
            language: self.rng.text(&names.languages),
        })
    }

    fn member(&mut self, known: Known, status: &str, n: usize) -> MemberSeed {
        // People write their own address as they like; it stays the same member.
        let email = if n % 40 == 7 { capitalized(&known.email) } else { known.email };
        let mut member = MemberSeed::new(email, status)
            .with_field("FNAME", known.first)
            .with_field("LNAME", known.last)
            .with_field(&*self.document.audience.required_field.tag, known.language.clone());
        member.language = known.language;
        if self.rng.percent(35) {
            member.tags.push(self.rng.text(&self.document.audience.marketer_tags));
        }
        // Whoever left did so in the last month, after every opt-in that the shop knows of.
        let days_ago = if status == "subscribed" { 40 + self.rng.below(600) } else { 1 + self.rng.below(25) };
        let day = self.document.today.checked_sub(i64::try_from(days_ago).unwrap_or(0).days());
        member.last_changed = day.ok().and_then(|day| day.to_zoned(TimeZone::UTC).ok()).map(|zoned| zoned.timestamp());
        member
    }
}

fn capitalized(email: &str) -> String {
    let mut letters = email.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
