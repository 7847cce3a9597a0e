//! What a plan means in Google Calendar, in an owner's words.

use std::collections::BTreeMap;

use sync_core::{Facts, PlanDigest, ResourceName};

use crate::{check, descriptor::DESCRIPTOR, settings::GoogleCalendarSettings};

/// One line for each thing that an owner wants to know before saying yes.
pub(crate) fn summary(settings: &GoogleCalendarSettings, facts: &Facts, plan: &PlanDigest<'_>) -> Vec<String> {
    let place = match &settings.calendars()[..] {
        [only] => check::name(facts, only).map_or_else(|| "the calendar".to_owned(), |name| format!("calendar {name}")),
        several => format!("{} calendars", several.len()),
    };
    let mut lines = Vec::new();
    for (verb, link, counts) in
        [("adds", "to", plan.creates), ("changes", "in", plan.updates), ("deletes", "from", plan.removes)]
    {
        if let Some(what) = counted(counts) {
            lines.push(format!("{verb} {what} {link} {place}"));
        }
    }
    // We name no guests, and every call says that nobody is to be told.
    lines.push("sends 0 invitations and 0 mails".to_owned());
    for (calendar, left) in plan.left_behind {
        let stay = if *left == 1 { "event stays" } else { "events stay" };
        let name = check::name(facts, calendar).unwrap_or(calendar.as_str());
        lines.push(format!("{} {stay} behind in calendar {name}", grouped(*left)));
    }
    lines
}

/// `40 trips and 1 training session`; `None` where there is nothing.
fn counted(counts: &BTreeMap<ResourceName, u64>) -> Option<String> {
    let one = |resource: &sync_core::Resource| {
        let count = counts.get(resource.name.as_str()).copied().filter(|count| *count > 0)?;
        let noun = if count == 1 { resource.nouns.0 } else { resource.nouns.1 };
        Some(format!("{} {noun}", grouped(count)))
    };
    let parts: Vec<String> = DESCRIPTOR.resources.iter().filter_map(one).collect();
    (!parts.is_empty()).then(|| parts.join(" and "))
}

/// `9,204`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use sync_core::ContainerId;

    use super::*;
    use crate::{
        descriptor::{TRAINING_SESSIONS, TRIPS},
        handler::tests::handler,
    };

    #[test]
    fn an_owner_reads_what_happens_where_and_that_nobody_is_mailed() {
        let settings = handler(json!({"calendar": "c"})).settings;
        let facts = Facts::of("names", json!({"c": "Trips", "old": "Last year"}));
        let creates = BTreeMap::from([(TRIPS, 1_400), (TRAINING_SESSIONS, 1)]);
        let updates = BTreeMap::from([(TRIPS, 0)]);
        let removes = BTreeMap::from([(TRAINING_SESSIONS, 2)]);
        let left = BTreeMap::from([(ContainerId::from_static("old"), 3)]);
        let lines = summary(&settings, &facts, &PlanDigest::new(&creates, &updates, &removes, &BTreeMap::new(), &left));
        let expected = [
            "adds 1,400 trips and 1 training session to calendar Trips",
            "deletes 2 training sessions from calendar Trips",
            "sends 0 invitations and 0 mails",
            "3 events stay behind in calendar Last year",
        ];
        assert_eq!(lines, expected);
    }
}
