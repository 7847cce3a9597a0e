//! What a plan means in Google Calendar, in an owner's words.

use sync_core::{
    Facts, PlanDigest,
    words::{count, counted},
};

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
        if let Some(what) = counted(&DESCRIPTOR, counts) {
            lines.push(format!("{verb} {what} {link} {place}"));
        }
    }
    // We name no guests, and every call says that nobody is to be told.
    lines.push("sends 0 invitations and 0 mails".to_owned());
    for (calendar, left) in plan.left_behind {
        let name = check::name(facts, calendar).unwrap_or(calendar.as_str());
        lines.push(format!("{} behind in calendar {name}", count(*left, "event stays", "events stay")));
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

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
