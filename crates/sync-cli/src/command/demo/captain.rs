//! The second part: trips and sessions go to the captain's calendar, both ways.

use std::sync::Arc;

use jiff::{Timestamp, ToSpan as _, civil::Date, tz::TimeZone};
use serde::Serialize;
use serde_json::{Value, json};
use sync_core::{
    Collection, Error, ErrorKind, LocalId, Marker, Record, Result, Scope, SyncResult,
    model::{Event, Model as _},
};
use sync_dispatch::{ConnectOptions, http::system_clock};
use sync_engine::Question;
use sync_sandbox::{CalendarSeed, ConsentSeed, Google, GoogleClientSeed, GoogleSeed, Sandbox, SandboxOptions};

use super::{
    super::{sandbox::google, sync},
    stage::{Answers, Stage},
};
use crate::{
    app::{App, Workbench},
    output::count,
    shop::{Outing, Shop},
};

/// The integration that is shown.
pub(super) const INTEGRATION: &str = "google-calendar";
/// The calendar.
const CALENDAR: &str = "blue-manta-trips@group.calendar.google.com";
const TRIPS: Collection = Collection::from_static("trips");
const SESSIONS: Collection = Collection::from_static("training-sessions");

/// What it came to, as JSON.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Shown {
    pub(super) plan: SyncResult,
    pub(super) first_sync: SyncResult,
    pub(super) next_day: SyncResult,
    /// What was asked, and what the owner said.
    pub(super) questions: Answers,
    pub(super) answered: SyncResult,
    pub(super) again: SyncResult,
    pub(super) again_message: String,
    pub(super) story: Vec<String>,
}

/// The captain's side, on this machine.
pub(super) fn sandbox(shop: &Shop) -> Sandbox {
    let day = |n: i64| today().saturating_add(n.days()).to_string();
    // His own life, which no sync may touch.
    let own = CalendarSeed::new(google::CAPTAIN, google::CAPTAIN, google::CAPTAIN)
        .with_event(json!({"summary": "Dentist", "start": {"date": day(3)}, "end": {"date": day(4)}}));
    let trips = CalendarSeed::new(CALENDAR, format!("{} trips", shop.name), google::CAPTAIN)
        .with_zone("Europe/Madrid")
        .made_by(google::CLIENT_ID)
        .with_event(json!({"summary": "Service of the compressor", "start": {"date": day(8)}, "end": {"date": day(9)}}));
    let seed = GoogleSeed::new(google::CAPTAIN)
        .with_calendar(own)
        .with_calendar(trips)
        .with_oauth_client(GoogleClientSeed::new(google::CLIENT_ID, google::CLIENT_SECRET))
        .with_consent(ConsentSeed::default());
    Sandbox::new(Google::new(seed), SandboxOptions::default(), Arc::new(system_clock()))
}

/// The day on which the demo takes place.
pub(super) fn today() -> Date {
    Timestamp::now().to_zoned(TimeZone::UTC).date()
}

pub(super) struct Captain<'a> {
    pub(super) app: &'a App,
    pub(super) bench: &'a Workbench,
    pub(super) shop: &'a Shop,
    pub(super) sandbox: &'a Sandbox,
}

/// The four trips of the story, all without bookings and on the day boat.
struct Cast {
    renamed: Outing,
    both: Outing,
    deleted: Outing,
    refused: Outing,
}

impl Captain<'_> {
    /// Shows it.
    pub(super) async fn show(&self) -> Result<Shown> {
        let out = self.app.out;
        let scope = Scope::new(self.shop.organization.clone(), INTEGRATION);
        let stage = Stage { app: self.app, bench: self.bench, scope: scope.clone() };
        let (trips, sessions) = (self.shop.trips(today()), self.shop.sessions(today()));
        out.say(format!(
            "\nIts captain lives by a Google calendar. The shop has {} and {}.\n",
            count(trips.len() as u64, "trip", "trips"),
            count(sessions.len() as u64, "course session", "course sessions")
        ));
        let cast = self.cast(&trips)?;
        for (collection, outings) in [(&TRIPS, trips), (&SESSIONS, sessions)] {
            let rows = outings.into_iter().map(Outing::into_row).collect();
            self.bench.records.upsert(&scope.organization, collection, rows).await?;
        }

        let settings = json!({"calendar": CALENDAR, "direction": "both"});
        stage.sign_in("http://127.0.0.1:9/callback", ConnectOptions::new().settings(settings)).await?;
        out.say("7. Signed in at Google (authorization code with PKCE), and chose the calendar, both ways.");
        let plan = stage.run(true, None).await;
        out.say("8. The plan:");
        sync::tell(out, &plan);
        let hash = plan.details.as_ref().and_then(|details| details.plan_hash.clone());
        let first_sync = stage.run(false, hash).await;
        out.say("9. The first sync, with that plan approved:");
        stage.tell(&first_sync);

        let lines = self.both_sides_go_on(&scope, &cast).await?;
        out.say("10. The next day:");
        lines.iter().for_each(|line| out.say(format!("  {line}")));
        let next_day = stage.run(false, None).await;
        stage.tell(&next_day);

        let wanted = |question: &Question| match question.code.as_str() {
            "conflict" => "theirs",
            "refused-here" => "put-back",
            _ => "leave",
        };
        let questions = stage.answer(11, "owner", wanted).await?;
        let answered = stage.run(false, None).await;
        out.say("12. With these answers:");
        stage.tell(&answered);

        let again = stage.run(false, None).await;
        let again_message = stage.message(&again).unwrap_or_default();
        out.say(format!("13. And once more: {again_message}\n"));
        let story = self.story();
        story.iter().for_each(|line| out.say(line));
        Ok(Shown { plan, first_sync, next_day, questions, answered, again, again_message, story })
    }

    fn cast(&self, trips: &[Outing]) -> Result<Cast> {
        let (boat, _) = self.shop.yard(today());
        let is_free = |outing: &&Outing| {
            let event = &outing.event;
            event.booked.is_none_or(|booked| booked.is_zero())
                && event.boat.as_deref() == Some(boat)
                && event.end_time > event.start_time
                && event.date.is_some_and(|date| date > today().saturating_add(21.days()))
        };
        let mut free = trips.iter().filter(is_free).cloned();
        match (free.next(), free.next(), free.next(), free.next()) {
            (Some(renamed), Some(both), Some(deleted), Some(refused)) => Ok(Cast { renamed, both, deleted, refused }),
            _ => Err(Error::new(ErrorKind::Internal, "the sample has too few trips without bookings")),
        }
    }

    async fn both_sides_go_on(&self, scope: &Scope, cast: &Cast) -> Result<Vec<String>> {
        let title = |outing: &Outing| outing.event.title.clone().unwrap_or_default();
        let (_, yard) = self.shop.yard(today());
        self.captain(scope, &cast.renamed, json!({"do": "shift", "minutes": 60})).await?;
        self.rewrite(scope, &cast.renamed, |event| event.title = Some("Whale watching".to_owned())).await?;
        self.captain(scope, &cast.both, json!({"do": "shift", "minutes": 120})).await?;
        self.rewrite(scope, &cast.both, |event| event.start_time = Some(jiff::civil::time(8, 0, 0, 0))).await?;
        self.captain(scope, &cast.deleted, json!({"do": "delete"})).await?;
        let date = cast.refused.event.date.unwrap_or(yard);
        let minutes = date.until(yard).map(|span| i64::from(span.get_days()) * 24 * 60).unwrap_or_default();
        self.captain(scope, &cast.refused, json!({"do": "shift", "minutes": minutes})).await?;
        Ok(vec![
            format!("the captain moves \"{}\" by an hour, while the shop renames it", title(&cast.renamed)),
            format!("both give \"{}\" another time", title(&cast.both)),
            format!("he deletes \"{}\"", title(&cast.deleted)),
            format!("and moves \"{}\" to the day on which its boat is in the yard", title(&cast.refused)),
        ])
    }

    /// The captain does something to an event.
    async fn captain(&self, scope: &Scope, outing: &Outing, mut action: Value) -> Result<()> {
        let installation = sync_engine::Store::installation(&self.bench.store).await?;
        let marker = Marker::of(&installation, &scope.organization, &TRIPS, &outing.id);
        action["calendar"] = json!(CALENDAR);
        action["event"] = json!(marker);
        self.sandbox.act(&action).map(|_| ()).map_err(|why| Error::new(ErrorKind::Internal, why.to_string()))
    }

    /// The shop changes a trip.
    async fn rewrite(&self, scope: &Scope, outing: &Outing, edit: impl FnOnce(&mut Event)) -> Result<()> {
        let mut event = outing.event.clone();
        edit(&mut event);
        let rows: Vec<(LocalId, Record)> = vec![(outing.id.clone(), event.into_record())];
        self.bench.records.upsert(&scope.organization, &TRIPS, rows).await.map(|_| ())
    }

    /// What became of the other side, counted there.
    fn story(&self) -> Vec<String> {
        let state = self.sandbox.state();
        let events = state["calendars"][CALENDAR]["events"].as_object().cloned().unwrap_or_default();
        let own = events.values().filter(|event| event.to_string().contains("Service of the compressor")).count() as u64;
        let sent = |name: &str| state[name].as_u64().unwrap_or_default();
        vec![
            format!(
                "{} sent, {} sent.",
                count(sent("invitations"), "invitation", "invitations"),
                count(sent("mails_sent"), "mail", "mails")
            ),
            format!(
                "The captain's own {} untouched; no trip was deleted because he tidied up.",
                count(own, "event", "events")
            ),
        ]
    }
}
