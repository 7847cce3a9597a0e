//! Documents as they are to be in Xero: what a record says, under the connection's settings and the organisation's books.

use jiff::ToSpan as _;
use rust_decimal::Decimal;
use sync_core::{
    AgreedLines, Error, ErrorKind, Facts, Operation, Record, Result,
    model::{Currency, Invoice as Fields, InvoiceKind, InvoiceLine, InvoiceStatus, Model, TaxMode, UNIT_PLACES},
};

use crate::{
    descriptor::LINE_FIELDS,
    handler::Handler,
    ledger::Ledger,
    mapping::invoice::{dated, own_id},
    model::{ContactWrite, DocumentWrite, Line, LineTracking},
    settings::{InvoiceStatus as NewStatus, Locked},
    text::{at_most, folded},
    totals::{self, Mode},
};

/// Longest number and reference, in characters. Source: Xero's OpenAPI document, `InvoiceNumber` (<https://github.com/XeroAPI/Xero-OpenAPI>,
/// read 2026-11-22): max length 255.
const MAX_TEXT: usize = 255;

/// Longest description of a line, in characters.
/// Source: <https://developer.xero.com/documentation/api/accounting/invoices> (read 2026-11-22).
const MAX_DESCRIPTION: usize = 4_000;

/// Fields that Xero is told of.
const WRITTEN: [&str; 8] = ["number", "customer", "date", "currency", "amounts", "lines", "total", "reference"];

/// One record on its way to be a document.
pub(crate) struct Draft<'a> {
    pub(crate) handler: &'a Handler,
    pub(crate) ledger: Ledger<'a>,
    pub(crate) op: &'a Operation,
    pub(crate) fields: Fields,
    pub(crate) currency: Currency,
}

impl<'a> Draft<'a> {
    /// Reads a record.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for a field of the wrong type, and for a currency that is none.
    pub(crate) fn of(handler: &'a Handler, facts: &'a Facts, op: &'a Operation) -> Result<Self> {
        let ledger = Ledger(facts);
        let fields = Fields::from_record(&op.fields)?;
        let code = fields.currency.as_deref().or_else(|| before_text(op, "currency")).or(ledger.currency()).unwrap_or("EUR");
        let currency = Currency::parse(code)?;
        Ok(Self { handler, ledger, op, fields, currency })
    }

    /// True for a credit note.
    pub(crate) fn is_credit(&self) -> bool {
        is_credit(self.op)
    }

    /// True for what was called off.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.fields.cancelled_at.is_some() || self.fields.status == Some(InvoiceStatus::Void)
    }

    /// True when something changed that Xero is told of.
    pub(crate) fn is_changed(&self) -> bool {
        WRITTEN.iter().any(|field| self.op.is_changed(field))
    }

    /// True when what it comes to changed.
    pub(crate) fn is_money_changed(&self) -> bool {
        ["lines", "total", "amounts"].iter().any(|field| self.op.is_changed(field))
    }

    /// What its amounts say about tax: in them, where nobody says.
    pub(crate) fn mode(&self) -> Mode {
        let before = || before_text(self.op, "amounts").and_then(|word| Mode::of(&TaxMode::of_word(word)));
        self.fields.amounts.as_ref().and_then(Mode::of).or_else(before).unwrap_or(Mode::Inclusive)
    }

    /// From when on documents are dated, where their own day is locked and the settings say so.
    pub(crate) fn open_from(&self) -> Option<jiff::civil::Date> {
        let moves = self.handler.settings.locked == Locked::DateFirstOpenDay;
        moves.then(|| self.ledger.first_open_day()).flatten()
    }

    /// True when the document may not be dated as it is.
    pub(crate) fn is_held(&self) -> bool {
        let is_locked = self.fields.date.is_some_and(|day| self.ledger.is_locked(day));
        is_locked && self.handler.settings.locked == Locked::Hold
    }

    /// A new document; its contact is put in when it goes.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] names the field and the remedy.
    pub(crate) fn create(&self) -> Result<DocumentWrite> {
        let is_credit = self.is_credit();
        let day = self.fields.date.ok_or_else(|| missing("date"))?;
        let settings = &self.handler.settings;
        let number = self.number()?;
        let mut lines = self.fields.lines.iter().map(|line| self.line(line)).collect::<Result<Vec<_>>>()?;
        if lines.is_empty() {
            return Err(missing("lines"));
        }
        self.fit(&mut lines, self.fields.total)?;
        // Xero asks for one.
        let due = self.fields.due_date.or_else(|| day.checked_add(i32::from(settings.due_days).days()).ok());
        let dated_at = dated(day, self.open_from());
        Ok(DocumentWrite {
            kind: Some(if is_credit { "ACCRECCREDIT" } else { "ACCREC" }),
            invoice_number: (!is_credit).then(|| number.clone()),
            credit_note_number: is_credit.then_some(number),
            date: Some(dated_at.to_string()),
            // A due date before the document's own is refused.
            due_date: due.filter(|_| !is_credit).map(|due| due.max(dated_at).to_string()),
            line_amount_types: Some(self.mode().theirs()),
            reference: self.reference()?,
            branding_theme: settings.branding_theme.clone(),
            currency_code: Some(self.currency.as_str().to_owned()),
            // What makes up for a change of a document that counts has to count, too.
            status: Some(if self.op.amends.is_some() {
                NewStatus::Authorised.word()
            } else {
                settings.invoice_status.word()
            }),
            line_items: lines,
            ..DocumentWrite::default()
        })
    }

    /// What changes of a document, given its lines as they are now.
    ///
    /// # Errors
    /// Like [`Draft::create`].
    pub(crate) fn update(&self, id: &str, there: &[Line]) -> Result<DocumentWrite> {
        let is_credit = self.is_credit();
        let op = self.op;
        let number = if op.is_changed("number") { Some(self.number()?) } else { None };
        let mut write = DocumentWrite {
            invoice_id: (!is_credit).then(|| id.to_owned()),
            credit_note_id: is_credit.then(|| id.to_owned()),
            invoice_number: number.clone().filter(|_| !is_credit),
            credit_note_number: number.filter(|_| is_credit),
            reference: if op.is_changed("reference") { self.reference()? } else { None },
            date: self.fields.date.filter(|_| op.is_changed("date")).map(|day| dated(day, self.open_from()).to_string()),
            currency_code: op.is_changed("currency").then(|| self.currency.as_str().to_owned()),
            ..DocumentWrite::default()
        };
        if self.is_money_changed() {
            write.line_amount_types = Some(self.mode().theirs());
            write.line_items = self.merged(there)?;
        }
        Ok(write)
    }

    fn number(&self) -> Result<String> {
        let number = folded(self.fields.number.as_deref().unwrap_or_default());
        if number.is_empty() {
            return Err(missing("number"));
        }
        let number = format!("{}{number}", self.handler.settings.number_prefix.trim());
        Ok(at_most(&number, MAX_TEXT, "number")?.to_owned())
    }

    fn reference(&self) -> Result<Option<String>> {
        let Some(reference) = self.fields.reference.as_deref().map(folded).filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        Ok(Some(at_most(&reference, MAX_TEXT, "reference")?.to_owned()))
    }

    fn fit(&self, lines: &mut Vec<Line>, wanted: Option<Decimal>) -> Result<()> {
        let Some(wanted) = wanted else { return Ok(()) };
        if wanted.is_sign_negative() && !wanted.is_zero() {
            return Err(Error::new(ErrorKind::Invalid, "a document can't come to less than nothing")
                .with_remedy("Make it a credit. It goes with the next sync."));
        }
        let account = self.handler.settings.rounding_account.as_deref();
        totals::fit(self.ledger, lines, self.mode(), self.currency, wanted, account)
    }

    /// One line, as a new one.
    fn line(&self, line: &InvoiceLine) -> Result<Line> {
        let settings = &self.handler.settings;
        let account = settings.account_of(line.line_type.as_deref()).ok_or_else(no_account)?;
        if self.ledger.is_known() && self.ledger.account(account).is_none() {
            return Err(no_account());
        }
        let mode = self.mode();
        let tax = match &line.tax {
            Some(word) => Some(settings.tax_rates.get(word).ok_or_else(no_tax)?),
            None => settings.tax_rate.as_ref(),
        };
        let tracking = settings.tracking.iter();
        Ok(Line {
            account_code: account.to_owned(),
            tax_type: tax.filter(|_| mode != Mode::NoTax).cloned().unwrap_or_default(),
            tax_amount: line.tax_amount.filter(|_| mode != Mode::NoTax),
            tracking: tracking
                .map(|(category, option)| LineTracking { category: category.clone(), option: option.clone() })
                .collect(),
            ..self.said(line, Line::default())?
        })
    }

    /// What the host says of a line, over what is there.
    fn said(&self, line: &InvoiceLine, there: Line) -> Result<Line> {
        let description =
            [&line.description, &line.item, &line.line_type].into_iter().flatten().find(|text| !text.trim().is_empty());
        let description = description.map_or("Item", |text| text.trim());
        at_most(description, MAX_DESCRIPTION, "lines")?;
        let unit = line.unit_amount.ok_or_else(|| missing("lines"))?;
        if unit.normalize().scale() > UNIT_PLACES
            || line.quantity.is_some_and(|quantity| quantity.normalize().scale() > UNIT_PLACES)
        {
            return Err(Error::new(ErrorKind::Invalid, "a line has a price or quantity with more than four decimals")
                .with_remedy("Round it to four decimals. The document goes with the next sync."));
        }
        Ok(Line {
            description: description.to_owned(),
            quantity: Some(line.quantity.unwrap_or(Decimal::ONE)),
            unit_amount: Some(unit),
            discount_rate: line.discount_percent.filter(|rate| !rate.is_zero()),
            ..there
        })
    }

    /// The lines of a document after a change: ours with the host's words over the bookkeeper's coding, and the
    /// bookkeeper's own as they are.
    fn merged(&self, there: &[Line]) -> Result<Vec<Line>> {
        let none = AgreedLines::default();
        let agreed = self.op.agreed.get("lines").unwrap_or(&none);
        let known: Vec<Option<&str>> = agreed.there.iter().map(|line| line.text("key")).collect();
        let pairs = pairs(agreed);
        let counterpart = |line: &InvoiceLine, idx: usize| {
            let there = place(agreed, line, idx).and_then(|place| pairs.get(place).copied().flatten())?;
            known.get(there).copied().flatten()
        };
        let is_ours = |line: &Line| known.contains(&Some(line.id.as_str())) || agreed.there.is_empty();
        let mut ours = Vec::with_capacity(self.fields.lines.len());
        let mut taken: Vec<&str> = Vec::new();
        for (idx, line) in self.fields.lines.iter().enumerate() {
            let id = counterpart(line, idx).filter(|id| !taken.contains(id));
            match id.and_then(|id| there.iter().find(|known| known.id == id)) {
                Some(known) => {
                    taken.push(&known.id);
                    let changed = Line { tax_amount: line.tax_amount, ..known.clone() };
                    ours.push(self.said(line, changed)?);
                }
                None => ours.push(self.line(line)?),
            }
        }
        self.fit(&mut ours, self.fields.total)?;
        // Lines that were added in Xero stay as they are.
        ours.extend(there.iter().filter(|line| !is_ours(line)).cloned());
        Ok(ours)
    }

    /// The contact of the document, named by its id alone: anything more would change it.
    pub(crate) fn contact(&self, refs: &sync_core::Refs) -> Option<ContactWrite> {
        let of_customer = self.fields.customer.as_ref().and_then(|customer| refs.of(customer)).map(ToString::to_string);
        let id = of_customer.or_else(|| {
            let walk_in = self.handler.settings.walk_in_contact.clone();
            walk_in.filter(|_| self.fields.customer.is_none())
        })?;
        Some(ContactWrite { contact_id: Some(id), ..ContactWrite::default() })
    }

    /// What the host's lines came to when they were last agreed on.
    pub(crate) fn agreed_total(&self) -> Option<Result<Decimal>> {
        let agreed = self.op.agreed.get("lines")?;
        Some(self.amounts(&agreed.here).and_then(|lines| totals::total(self.ledger, &lines, self.mode(), self.currency)))
    }

    /// Lines as they would be written, of records.
    pub(crate) fn amounts(&self, lines: &[Record]) -> Result<Vec<Line>> {
        lines.iter().map(|line| self.line(&InvoiceLine::from_record(line)?)).collect()
    }
}

/// True for a credit note: it is one there, or will be.
pub(crate) fn is_credit(op: &Operation) -> bool {
    match &op.before {
        Some(before) => own_id(&before.id).0,
        None => op.fields.text("kind") == Some(InvoiceKind::Credit.as_str()),
    }
}

/// Which line of theirs each line of ours was when both were last agreed on: the one that says the same, else, of as many,
/// the one in its place. Xero puts new lines before those that it knows.
fn pairs(agreed: &AgreedLines) -> Vec<Option<usize>> {
    let same = |here: &Record, there: &Record| {
        LINE_FIELDS.iter().all(|field| {
            let value = |line: &Record| line.value(field).filter(|value| !value.is_blank()).cloned();
            value(here) == value(there)
        })
    };
    let mut free: Vec<bool> = agreed.there.iter().map(|_| true).collect();
    let mut take = |idx: Option<usize>| {
        if let Some(slot) = idx.and_then(|idx| free.get_mut(idx)) {
            *slot = false;
        }
        idx
    };
    let mut pairs = Vec::with_capacity(agreed.here.len());
    let mut used: Vec<usize> = Vec::new();
    for (idx, here) in agreed.here.iter().enumerate() {
        let is_it = |at: &usize| !used.contains(at) && agreed.there.get(*at).is_some_and(|there| same(here, there));
        let found = Some(idx).filter(is_it).or_else(|| (0..agreed.there.len()).find(is_it));
        used.extend(found);
        pairs.push(take(found));
    }
    if agreed.here.len() == agreed.there.len() {
        let mut left =
            free.iter().enumerate().filter(|(_, free)| **free).map(|(idx, _)| idx).collect::<Vec<_>>().into_iter();
        for pair in pairs.iter_mut().filter(|pair| pair.is_none()) {
            *pair = left.next();
        }
    }
    pairs
}

/// Which line of ours a line was: by the host's key, else by its place.
fn place(agreed: &AgreedLines, line: &InvoiceLine, idx: usize) -> Option<usize> {
    match &line.key {
        Some(key) => agreed.here.iter().position(|known| known.text("key") == Some(key)),
        None => Some(idx).filter(|idx| agreed.here.get(*idx).is_some_and(|known| known.value("key").is_none())),
    }
}

pub(crate) fn before_text<'o>(op: &'o Operation, field: &str) -> Option<&'o str> {
    op.before.as_ref().and_then(|before| before.fields.text(field))
}

fn missing(field: &str) -> Error {
    Error::new(ErrorKind::Invalid, format!("the document has no {field}, or not all of them can be read"))
        .with_remedy(format!("Give the document's {field}. It goes with the next sync."))
}

fn no_account() -> Error {
    Error::new(ErrorKind::Invalid, "no account is chosen for a line of the document, or the chosen one is gone")
        .with_remedy("Choose the account under Settings > Xero > Accounts. The document goes with the next sync.")
}

fn no_tax() -> Error {
    Error::new(ErrorKind::Invalid, "no tax rate is chosen for the tax of a line").with_remedy(
        "Choose which of Xero's rates this tax is under Settings > Xero > Tax rates. The document goes with the next sync.",
    )
}
