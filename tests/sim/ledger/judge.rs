//! What may be shown at rest: both sides agree on each document's total and state, and money counts once.

use super::{people::of_payment, *};

/// The bookkeeper who records what a process is about to book is not seen by it: a call that lost its answer is repeated
/// under its key for four minutes, and one that is on its way takes up to a minute.
const AT_ONCE_MS: i64 = 5 * 60 * 1_000;

impl Ledger {
    /// What is wrong at rest, record by record.
    pub(super) async fn judged(&self, dispatcher: &Dispatcher) -> Vec<String> {
        let mut broken = Vec::new();
        let names = with(&self.model, |model| [model.customers.clone(), model.invoices.clone(), model.payments.clone()]);
        let [customers, invoices, payments] = names;
        let (here, there) = (self.contacts_here(), self.contacts_there());
        for name in customers {
            let stands = self.stands(dispatcher, "contacts", &name).await;
            let (none, is_settled) = (Vec::new(), self.is_settled(dispatcher, &name).await);
            let sides = (here.get(&name).unwrap_or(&none), there.get(&name).unwrap_or(&none));
            broken.extend(told(self.contact(&name, sides, stands.is_some(), is_settled), stands));
        }
        let (rows, documents) = (self.rows(&Collection::INVOICES), self.documents());
        for (name, all) in &documents {
            if all.len() > 1 {
                broken.push(format!("law 1: {} documents have the number D-{name}", all.len()));
            }
        }
        for name in invoices {
            let stands = self.stands(dispatcher, "invoices", &name).await;
            let has_number = |row: &&Record| row.text("number").is_some_and(|number| number == format!("D-{name}"));
            // The bookkeeper's note beats a deletion here: the host has it again, under another id.
            let row = rows.get(&name).or_else(|| rows.values().find(has_number));
            broken.extend(told(self.document(&name, row, &documents, stands.is_some()), stands));
        }
        let (rows, money) = (self.rows(&Collection::PAYMENTS), self.payments_there());
        for name in payments {
            let stands = self.stands(dispatcher, "payments", &name).await;
            let line = self.payment(&name, rows.get(&name), &money, &documents, stands.as_deref());
            broken.extend(told(line, stands));
        }
        broken
    }

    /// As what a record stands, if it does: the code of its item, or that its link was let go.
    async fn stands(&self, dispatcher: &Dispatcher, resource: &'static str, name: &str) -> Option<String> {
        let (store, scope) = (dispatcher.store(), &self.world.scope);
        let ids = [LocalId::new(name)];
        let items = store.items_by_local(scope, &ResourceName::from_static(resource), &ids).await.unwrap_or_default();
        if let Some(item) = items.into_iter().flatten().next() {
            with(&self.model, |model| model.n_excused += 1);
            return Some(item.outcome.code.to_string());
        }
        let links = store.links_of(scope, name).await.unwrap_or_default();
        links.iter().any(|link| link.state == LinkState::Detached).then(|| "detached".to_owned())
    }

    /// True when some run told that a conflict about it was settled by the policy.
    async fn is_settled(&self, dispatcher: &Dispatcher, name: &str) -> bool {
        let trail = dispatcher.store().trail(&self.world.scope, name, 1_000).await;
        trail.unwrap_or_default().iter().any(|(_, row)| row.outcome.code == "conflict-settled")
    }

    fn contact(
        &self,
        name: &str,
        (here, there): (&Vec<Shown>, &Vec<Shown>),
        stands: bool,
        is_settled: bool,
    ) -> Option<String> {
        if here.len() > 1 || there.len() > 1 {
            return Some(format!("law 1: {name} is {} times here and {} times there", here.len(), there.len()));
        }
        with(&self.model, |model| {
            if model.left.contains(name) || stands {
                return None;
            }
            let (ours, theirs) = match (here.first(), there.first()) {
                (Some(ours), Some(theirs)) => (ours, theirs),
                (Some(_), None) => return Some(format!("law 2: {name} is not there")),
                (None, Some(_)) => return Some(format!("law 2: {name} was deleted here and is in use there")),
                (None, None) => return None,
            };
            for field in FIELDS {
                let (here, there) = (&ours.fields[field], &theirs.fields[field]);
                let is_push = self.is("push");
                if !is_push && here != there {
                    return Some(format!("law 2: {field} of {name} is {here:?} here and {there:?} there"));
                }
                let lost = model.lineage.lost(name, field, &[here.as_str(), there.as_str()]);
                let counts = |edit: &&&Edit| edit.side == Side::Here || !is_push;
                if let Some(edit) = lost.iter().find(counts).filter(|_| !is_settled) {
                    return Some(format!("law 2: {field} of {name} was {:?} ({:?}): lost", edit.value, edit.side));
                }
                if is_push && here != there && !model.lineage.covers(name, field, there, here) {
                    return Some(format!("law 2: {field} of {name} is {here:?} here and did not arrive: {there:?}"));
                }
            }
            None
        })
    }

    fn document(
        &self,
        name: &str,
        row: Option<&Record>,
        documents: &BTreeMap<String, Vec<Json>>,
        stands: bool,
    ) -> Option<String> {
        let main = documents.get(name).and_then(|all| all.first());
        let is_of = |number: &String| number.strip_prefix(name).is_some_and(|rest| rest.starts_with('/'));
        with(&self.model, |model| {
            if model.left.contains(name) || stands {
                return None;
            }
            let Some(row) = row.filter(|row| row.value("cancelled_at").is_none()) else {
                let counts = main.is_some() || documents.keys().any(is_of);
                return counts.then(|| format!("law 2: {name} counts no more here and does there"));
            };
            let Some(main) = main else {
                // What the bookkeeper voided stays so; where both sides count, the host is told.
                let is_told = self.is("push") || row.text("status") == Some("void");
                return (!model.gone_there.contains(name) || !is_told).then(|| format!("law 2: {name} is not there"));
            };
            let further = documents.iter().filter(|(number, _)| is_of(number)).flat_map(|(_, all)| all);
            let sum: i64 = std::iter::once(main)
                .chain(further)
                .map(|one| if one["CreditNoteNumber"].is_string() { -units(&one["Total"]) } else { units(&one["Total"]) })
                .sum();
            if sum != units_here(row, "total") {
                return Some(format!("law 2: {name} comes to {} here and to {sum} there", units_here(row, "total")));
            }
            let note = (row.text("reference").unwrap_or_default(), main["Reference"].as_str().unwrap_or_default());
            // What was paid is not changed: the document that makes up for the difference says it.
            let is_said = documents.iter().any(|(number, all)| {
                is_of(number) && all.iter().any(|one| one["Reference"].as_str().unwrap_or_default() == note.0)
            });
            if note.0 != note.1 && !is_said && !model.noted.contains(name) {
                return Some(format!("law 2: the note of {name} is {:?} here and {:?} there", note.0, note.1));
            }
            if self.is("push") {
                return None;
            }
            // Of what is as it was made, the books have nothing to tell yet.
            if row.value("amount_due").is_none() {
                let is_as_made = main["Status"] == "AUTHORISED" && main["AmountDue"] == main["Total"];
                return (!is_as_made).then(|| format!("law 2: {name} was paid on there, and the host was not told"));
            }
            let due = (units_here(row, "amount_due"), units(&main["AmountDue"]));
            if due.0 != due.1 {
                return Some(format!("law 2: of {name} {} are due here and {} there", due.0, due.1));
            }
            let is_paid = (row.text("status") == Some("paid"), main["Status"] == "PAID");
            (is_paid.0 != is_paid.1).then(|| format!("law 2: {name} is paid here: {}, there: {}", is_paid.0, is_paid.1))
        })
    }

    fn payment(
        &self,
        name: &str,
        row: Option<&Record>,
        money: &[Json],
        documents: &BTreeMap<String, Vec<Json>>,
        stands: Option<&str>,
    ) -> Option<String> {
        let is_it = |one: &&Json| one["Reference"].as_str().and_then(of_payment) == Some(name);
        let (ours, by_hand): (Vec<&Json>, Vec<&Json>) = money
            .iter()
            .filter(is_it)
            .partition(|one| one["Reference"].as_str().is_some_and(|reference| reference.starts_with("ch_")));
        if ours.len() > 1 {
            return Some(format!("law 1: {name} is booked {} times", ours.len()));
        }
        with(&self.model, |model| {
            if let (Some(ours), Some(_)) = (ours.first(), by_hand.first())
                && !model.wanted.contains(name)
                && let Some((_, recorded)) = model.by_hand.get(name)
            {
                let id = ours["PaymentID"].as_str().unwrap_or_default();
                let booked = model.made_at.get(id).copied().unwrap_or_else(|| millis(&ours["UpdatedDateUTC"]));
                let is_at_once = (booked - recorded).abs() <= AT_ONCE_MS;
                // What was changed here since is another amount, and no twin of what was recorded.
                let is_same = ours["Amount"] == by_hand.first().map_or(Json::Null, |one| one["Amount"].clone());
                if !is_at_once && is_same {
                    return Some(format!("law 1: {name} was recorded by hand and booked once more"));
                }
            }
            let document = row.and_then(|row| documents.get(row.text("on")?)).and_then(|all| all.first());
            let is_too_much = row.is_some_and(|row| {
                document.is_none_or(|document| units(&document["AmountDue"]) < units_here(row, "amount"))
            });
            if stands == Some("refused") && !is_too_much {
                return Some(format!("law 2: {name} fits its invoice and was refused"));
            }
            if model.left.contains(name) || stands.is_some() {
                return None;
            }
            let Some(row) = row else {
                return ours.first().map(|_| format!("law 2: {name} was deleted here and counts there"));
            };
            let amount = units_here(row, "amount");
            let of = |one: &&Json| {
                let is_on = |document: &Json| document["InvoiceID"] == one["Invoice"]["InvoiceID"];
                units(&one["Amount"]) == amount && document.is_some_and(is_on)
            };
            // What was recorded by hand for a payment that is no more settles this one too: the books do not tell whose it was.
            let is_free = |one: &&Json| {
                let hand = one["Reference"].as_str().filter(|reference| reference.starts_with("hand "));
                hand.and_then(of_payment).is_some_and(|whose| model.gone_here.contains(whose))
            };
            let settled = money.iter().filter(is_free);
            if ours.iter().chain(&by_hand).copied().chain(settled).any(|one| of(&one)) || model.gone_there.contains(name) {
                return None;
            }
            let shown: Vec<_> = ours.iter().chain(&by_hand).map(|one| (&one["Amount"], &one["Reference"])).collect();
            Some(format!("law 2: {name} over {amount} is not there: {shown:?}"))
        })
    }
}

fn told(line: Option<String>, stands: Option<String>) -> Option<String> {
    line.map(|line| format!("{line} (stands: {stands:?})"))
}
