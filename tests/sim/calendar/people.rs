//! What people do, here and there.

use super::*;

impl Calendar {
    fn fresh(&self) -> u64 {
        self.world.fresh()
    }

    /// A moment that nobody wrote before: each has its minute.
    fn moment(&self) -> DateTime {
        let minute = i64::try_from(240 + self.fresh() % 1_000).unwrap_or(240);
        self.day().at(0, 0, 0, 0).saturating_add(minute.minutes())
    }

    fn day(&self) -> jiff::civil::Date {
        jiff::civil::date(2026, 4, 14)
    }

    fn record(&self, name: &str) -> Record {
        let at = self.moment();
        Record::new()
            .with("title", Value::text(format!("{name} v{}", self.fresh())))
            .with("date", Value::Date(at.date()))
            .with("start_time", Value::text(at.strftime("%H:%M").to_string()))
            .with("end_time", Value::text(later(at).strftime("%H:%M").to_string()))
            .with("zone", Value::text(ZONE))
            .with("location", Value::text(format!("pier {}", self.fresh())))
            .with("boat", Value::text("Manta"))
            .with("booked", Value::Decimal(0.into()))
            .with("capacity", Value::Decimal(12.into()))
            .with("status", Value::text("scheduled"))
            .with("notes_medical", Value::text(crate::CANARY))
    }

    pub(super) fn make(&self, draw: &SeededRandom) -> Option<String> {
        let n_made = with(&self.model, |model| model.made_here.len());
        if n_made >= MAX_RECORDS {
            return None;
        }
        let (letter, table) = if draw.chance(0.75) { ("T", TRIPS) } else { ("S", SESSIONS) };
        let name = format!("{letter}{n_made:02}");
        let id = LocalId::new(name.to_lowercase());
        self.store(&name, &table, id.as_str());
        with(&self.model, |model| model.made_here.push((name.clone(), table, id)));
        Some(format!("here: {name} is made"))
    }

    /// Stores a record whose values are new.
    fn store(&self, name: &str, table: &Collection, id: &str) {
        let record = self.record(name);
        let when = when_here(&record).unwrap_or_default();
        with(&self.model, |model| {
            for (field, value) in
                [("title", record.text("title")), ("location", record.text("location")), ("when", Some(&*when))]
            {
                model.lineage.edit(Side::Here, name, field, value.unwrap_or_default(), None);
            }
        });
        self.world.shop.put(ORG, table, id, record);
    }

    pub(super) fn edit_here(&self, draw: &SeededRandom) -> Option<String> {
        let (name, shown) = pick(self.here(), draw)?;
        let (table, id) = (Collection::new(shown.place.0.clone()), shown.place.1.as_str());
        let field = FIELDS[index(draw.below(3))];
        let saw = shown.fields.get(field).cloned();
        let value = match field {
            "when" => {
                let at = self.moment();
                self.world.shop.edit(ORG, &table, id, |record| {
                    record.set("date", Value::Date(at.date()));
                    record.set("start_time", Value::text(at.strftime("%H:%M").to_string()));
                    record.set("end_time", Value::text(later(at).strftime("%H:%M").to_string()));
                });
                moment_of(at)
            }
            _ => {
                let value =
                    if field == "title" { format!("{name} v{}", self.fresh()) } else { format!("pier {}", self.fresh()) };
                self.world.shop.edit(ORG, &table, id, |record| {
                    record.set(field, Value::text(value.clone()));
                });
                value
            }
        };
        with(&self.model, |model| model.lineage.edit(Side::Here, &name, field, &value, saw.as_deref()));
        Some(format!("here: {name} {field} {saw:?} -> {value:?}"))
    }

    /// What the host alone decides.
    pub(super) fn edit_own(&self, draw: &SeededRandom) -> Option<String> {
        let (name, shown) = pick(self.here(), draw)?;
        let (table, id) = (Collection::new(shown.place.0.clone()), shown.place.1.as_str());
        let (field, value) = match draw.below(4) {
            0 => ("boat", Value::text(if draw.chance(0.5) { "Dory" } else { "Manta" })),
            1 => ("booked", Value::Decimal(draw.below(4).into())),
            2 => ("status", Value::text("cancelled")),
            _ => ("status", Value::text("scheduled")),
        };
        let said = format!("here: {name} {field} is {value:?}");
        self.world.shop.edit(ORG, &table, id, |record| {
            record.set(field, value);
        });
        Some(said)
    }

    pub(super) fn edit_there(&self, draw: &SeededRandom) -> Option<String> {
        let (name, shown) = pick(self.there(), draw)?;
        let field = FIELDS[index(draw.below(3))];
        let saw = shown.fields.get(field).cloned();
        let prefix = if shown.is_cancelled { CANCELLED } else { "" };
        let (value, body) = match field {
            "when" => {
                let at = self.moment();
                let show = |at: DateTime| {
                    let zoned = at.to_zoned(zone()).map(|zoned| zoned.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string());
                    json!({"dateTime": zoned.unwrap_or_default(), "timeZone": ZONE})
                };
                (moment_of(at), json!({"start": show(at), "end": show(later(at))}))
            }
            "title" => {
                let value = format!("{name} v{}", self.fresh());
                (value.clone(), json!({"summary": format!("{prefix}{value}")}))
            }
            _ => {
                let value = format!("pier {}", self.fresh());
                (value.clone(), json!({"location": value}))
            }
        };
        let (calendar, event) = &shown.place;
        self.act(&json!({"do": "edit", "calendar": calendar, "event": event, "body": body}))?;
        with(&self.model, |model| model.lineage.edit(Side::There, &name, field, &value, saw.as_deref()));
        Some(format!("there: {name} {field} {saw:?} -> {value:?}"))
    }

    pub(super) fn delete_here(&self, draw: &SeededRandom) -> Option<String> {
        let (name, shown) = pick(self.here(), draw)?;
        self.world.shop.delete(ORG, &Collection::new(shown.place.0), &shown.place.1);
        let there = self.there();
        let has_forgotten = self.world.has_forgotten.load(std::sync::atomic::Ordering::Relaxed);
        with(&self.model, |model| {
            // Of what was forgotten nobody knows what was changed there since: it goes with the record.
            for (field, value) in there.get(&name).into_iter().flatten().flat_map(|theirs| &theirs.fields) {
                if has_forgotten && model.forgotten.contains(&name) {
                    model.lineage.excuse(&name, field, value);
                }
            }
            model.gone(Side::Here, &name, shown.fields);
        });
        Some(format!("here: {name} is deleted"))
    }

    pub(super) fn delete_there(&self, draw: &SeededRandom) -> Option<String> {
        let (name, shown) = pick(self.there(), draw)?;
        self.act(&json!({"do": "delete", "calendar": shown.place.0, "event": shown.place.1}))?;
        with(&self.model, |model| model.gone(Side::There, &name, shown.fields));
        Some(format!("there: {name} is deleted"))
    }

    /// A record that was deleted here is made again, with the same id.
    pub(super) fn restore_here(&self, draw: &SeededRandom) -> Option<String> {
        let (here, there) = (self.here(), self.there());
        // What was changed there since comes back by itself, under another id: making it again would be another record.
        let comes_back = |model: &Model, name: &String| {
            let (saw, shown) = (model.gone_here.get(name), there.get(name).and_then(|all| all.first()));
            saw.zip(shown).is_some_and(|(saw, shown)| {
                FIELDS.iter().any(|field| !model.lineage.covers(name, field, &saw[field], &shown.fields[field]))
            })
        };
        let gone: Vec<_> = with(&self.model, |model| {
            let is_gone = |name: &String| !here.contains_key(name) && !comes_back(model, name);
            model.made_here.iter().filter(|(name, ..)| is_gone(name)).cloned().collect()
        });
        let (name, table, id) = gone.get(index(draw.below(gone.len() as u64)))?.clone();
        with(&self.model, |model| {
            model.gone_here.remove(&name);
        });
        self.store(&name, &table, id.as_str());
        Some(format!("here: {name} is made again"))
    }

    pub(super) fn touch(&self, draw: &SeededRandom) -> Option<String> {
        match draw.below(6) {
            0 => {
                let (name, shown) = pick(self.there(), draw)?;
                self.act(&json!({"do": "touch", "calendar": shown.place.0, "event": shown.place.1}))?;
                Some(format!("there: {name} is touched"))
            }
            1 => {
                let (name, shown) = pick(self.there(), draw)?;
                // Where events of others count, a copy is one more of them.
                if with(&self.settings, |settings| settings["foreign"] == true) {
                    return None;
                }
                let copy = self.act(&json!({"do": "copy", "calendar": shown.place.0, "event": shown.place.1}))?;
                let copy = copy["event"].as_str()?.to_owned();
                with(&self.model, |model| model.copies.insert(copy));
                Some(format!("there: {name} is copied"))
            }
            2 => self.make_there(),
            3 => {
                let calendar = if draw.chance(0.7) { CALENDAR } else { SECOND };
                self.act(&json!({"do": "expire-sync-tokens", "calendar": calendar, "with_400": draw.chance(0.5)}))?;
                Some(format!("there: sync tokens of {calendar} expire"))
            }
            4 => {
                self.act(&json!({"do": "expire-access-tokens"}))?;
                Some("there: access tokens expire".to_owned())
            }
            _ => {
                self.act(&json!({"do": "drop-channels"}))?;
                Some("there: channels are dropped".to_owned())
            }
        }
    }

    /// Somebody there makes an event of his own.
    pub(super) fn make_there(&self) -> Option<String> {
        let n_made = with(&self.model, |model| model.made_there.len());
        if n_made >= 3 {
            return None;
        }
        let name = format!("F{n_made:02}");
        let (title, pier, at) = (format!("{name} v{}", self.fresh()), format!("pier {}", self.fresh()), self.moment());
        let show =
            |at: DateTime| json!({"dateTime": format!("{}:00+02:00", at.strftime("%Y-%m-%dT%H:%M")), "timeZone": ZONE});
        let body = json!({"summary": title, "location": pier, "start": show(at), "end": show(later(at))});
        self.act(&json!({"do": "create", "calendar": CALENDAR, "body": body}))?;
        with(&self.model, |model| {
            for (field, value) in [("title", title), ("location", pier), ("when", moment_of(at))] {
                model.lineage.edit(Side::There, &name, field, &value, None);
            }
            model.made_there.insert(name.clone())
        });
        Some(format!("there: {name} is made"))
    }

    fn act(&self, action: &Json) -> Option<Json> {
        self.world.sandbox.act(action).ok()
    }
}

fn pick(shown: BTreeMap<String, Vec<Shown>>, draw: &SeededRandom) -> Option<(String, Shown)> {
    let all: Vec<_> =
        shown.into_iter().flat_map(|(name, all)| all.into_iter().map(move |one| (name.clone(), one))).collect();
    all.get(index(draw.below(all.len() as u64))).cloned()
}

fn zone() -> TimeZone {
    TimeZone::get(ZONE).unwrap_or(TimeZone::UTC)
}

fn later(at: DateTime) -> DateTime {
    at.saturating_add(90.minutes())
}

fn moment_of(at: DateTime) -> String {
    at.to_zoned(zone()).map(|at| at.timestamp().to_string()).unwrap_or_default()
}

pub(super) fn when_here(record: &Record) -> Option<String> {
    let Some(Value::Date(date)) = record.value("date") else { return None };
    let time: jiff::civil::Time = record.text("start_time")?.parse().ok()?;
    Some(moment_of(date.to_datetime(time)))
}
