//! The feeds: pages, and the cursor.
//!
//! A listing is ordered by the time of the change. Its next page starts at the last page's newest second rather than at an
//! offset wherever that is cheap, since a record that changes while the listing is under way moves to its end, and would
//! push another over the edge of a page. Where many changed in one second, pages go by number, and a change in the meantime
//! makes the next run read from the same place again.
//!
//! What changed may become visible a little later than its time says: the cursor stays behind Xero's own clock.
//! Source: <https://developer.xero.com/documentation/api/accounting/requests-and-responses#if-modified-since>
//! (read 2026-11-22).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sync_core::{Change, Complete, Context, Cursor, Error, ErrorKind, From, Next, Page, PageToken, Pull, Result};

use crate::{
    client::{self, Listing},
    date,
    error::{expired, parse},
    handler::Handler,
    mapping::{contact, invoice, payment},
    model::{Contact, Contacts, Document, Documents, Payment, Payments},
};

/// How far the cursor stays behind Xero's clock, in seconds. Xero documents nothing; a minute is far above what storing
/// takes.
const LAG_SECONDS: i64 = 60;

/// A page by time repeats at most one row in so many; where more would be, pages go by number.
const OVERLAP_SHARE: usize = 40;

/// Where a listing stands. Times are seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Position {
    /// The feed.
    of: String,
    /// Which of the feed's listings: credit notes come after invoices.
    #[serde(default)]
    half: u8,
    /// From where the listing started; `None` for a full pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<i64>,
    /// From where this page is listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<i64>,
    /// The page's number, from 1.
    page: u64,
    /// When the listing began, by Xero's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    began: Option<i64>,
    /// True once a page went by number, so that a change meanwhile may have pushed a row over the edge.
    #[serde(default)]
    loose: bool,
    /// True once a row changed while the listing was under way.
    #[serde(default)]
    moved: bool,
    /// True when Xero did not heed the time, and shows everything.
    #[serde(default)]
    unheeded: bool,
}

/// What a cursor holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mark {
    of: String,
    since: i64,
}

/// One page as it was read.
pub(crate) struct Listed {
    pub(crate) changes: Vec<(Option<Timestamp>, Option<Change>)>,
    /// Xero's clock.
    pub(crate) at: Option<Timestamp>,
}

/// One page.
///
/// # Errors
/// [`ErrorKind::CursorExpired`] for a position that is none of ours.
pub(crate) async fn pull(handler: &Handler, cx: &Context<'_>, request: Pull<'_>) -> Result<Page> {
    let of = request.feed.name;
    let at = match request.from {
        From::Start => Position::start(of, None),
        From::Cursor(cursor) => {
            let mark: Mark =
                serde_json::from_str(cursor.as_str()).ok().filter(|mark: &Mark| mark.of == of).ok_or_else(expired)?;
            Position::start(of, Some(Some(mark.since).filter(|since| is_time(*since)).ok_or_else(expired)?))
        }
        From::Page(token) => Position::read(token.as_str(), of).ok_or_else(expired)?,
    };
    let since = at.since.map(text).transpose()?;
    let listing = Listing { page: at.page, size: handler.config.page_size, since: since.as_deref() };
    let listed = list(handler, cx, (of, at.half), &listing).await?;
    let complete = if at.from.is_some() { Complete::Delta } else { Complete::Full };
    let (next, oldest) = at.advance(&listed, handler.config.page_size as usize, cx.now)?;
    // Where the time was not heeded, what did not change since is no news.
    let is_news = |at: &Option<Timestamp>| at.is_none_or(|at| oldest.is_none_or(|oldest| at.as_second() >= oldest));
    let changes = listed.changes.into_iter().filter(|(at, _)| is_news(at)).filter_map(|(_, change)| change).collect();
    Ok(Page::new(changes, next, complete))
}

async fn list(handler: &Handler, cx: &Context<'_>, of: (&str, u8), listing: &Listing<'_>) -> Result<Listed> {
    let (tenant, settings) = (handler.tenant()?, &handler.settings);
    match of {
        ("contacts", _) => {
            let read: Contacts = parse(&cx.send(client::contacts(tenant, listing)?).await?, "contacts.list")?;
            let remote = |contact: &Contact| contact::remote(settings, contact).filter(|_| !contact::is_supplier(contact));
            Ok(listed(&read.contacts, read.at.as_deref(), |contact| &contact.updated, remote))
        }
        ("invoices", half) => {
            let call = if half == 0 { client::invoices(tenant, listing)? } else { client::credit_notes(tenant, listing)? };
            let read: Documents = parse(&cx.send(call).await?, "documents.list")?;
            let remote = |document: &Document| invoice::remote(settings, document);
            Ok(listed(&read.documents, read.at.as_deref(), |document| &document.updated, remote))
        }
        ("payments", _) => {
            let read: Payments = parse(&cx.send(client::payments(tenant, listing)?).await?, "payments.list")?;
            let remote = |payment: &Payment| payment::remote(settings, payment, None);
            Ok(listed(&read.payments, read.at.as_deref(), |payment| &payment.updated, remote))
        }
        (of, _) => Err(Error::new(ErrorKind::Unsupported, format!("Xero has no feed called {of}"))),
    }
}

/// Rows with their times; those that are none of ours still count, since pages are counted by rows.
fn listed<T>(
    rows: &[T],
    at: Option<&str>,
    updated: impl Fn(&T) -> &str,
    remote: impl Fn(&T) -> Option<sync_core::Remote>,
) -> Listed {
    let change = |row: &T| (date::moment(updated(row)), remote(row).map(|remote| Change::Upsert(Box::new(remote))));
    Listed { changes: rows.iter().map(change).collect(), at: at.and_then(date::moment) }
}

/// How many listings a feed has.
fn halves(of: &str) -> u8 {
    if of == "invoices" { 2 } else { 1 }
}

impl Position {
    fn start(of: &str, from: Option<i64>) -> Self {
        Self {
            of: of.to_owned(),
            half: 0,
            from,
            since: from,
            page: 1,
            began: None,
            loose: false,
            moved: false,
            unheeded: false,
        }
    }

    fn read(text: &str, of: &str) -> Option<Self> {
        let at: Self = serde_json::from_str(text).ok()?;
        let times = [at.from, at.since, at.began];
        (at.of == of
            && at.half < halves(of)
            && at.page >= 1
            && at.began.is_some()
            && times.into_iter().flatten().all(is_time))
        .then_some(at)
    }

    /// What comes after a page, and, where Xero did not heed the time, from when on rows are news.
    fn advance(mut self, listed: &Listed, size: usize, now: Timestamp) -> Result<(Next, Option<i64>)> {
        let times: Vec<i64> = listed.changes.iter().filter_map(|(at, _)| *at).map(Timestamp::as_second).collect();
        let began = *self.began.get_or_insert_with(|| listed.at.unwrap_or(now).as_second());
        self.moved |= times.iter().any(|at| *at >= began);
        self.unheeded |= self.since.is_some_and(|since| times.iter().any(|at| *at < since - 1));
        let oldest = if self.unheeded { self.from } else { None };
        if listed.changes.len() < size {
            if self.half + 1 < halves(&self.of) {
                // The next listing starts where this one did; what is known of the whole stays.
                let next = Self { half: self.half + 1, since: self.from, page: 1, unheeded: false, ..self };
                return Ok((Next::More(PageToken::new(written(&next)?)), oldest));
            }
            return Ok((Next::Done(self.mark(began)?), oldest));
        }
        let newest = times.iter().max().copied();
        // Whether "since" means "at or after" is not said: a second before is on the safe side.
        let since = newest.map(|newest| newest - 1);
        let n_again = times.iter().filter(|at| since.is_some_and(|since| **at >= since)).count();
        let is_further = since > self.since;
        if is_further && !self.unheeded && n_again <= (size / OVERLAP_SHARE).max(1) {
            self.since = since;
            self.page = 1;
        } else {
            self.loose = true;
            self.page += 1;
        }
        Ok((Next::More(PageToken::new(written(&self)?)), oldest))
    }

    /// Where the next run goes on. What may have been passed over is read again.
    fn mark(&self, began: i64) -> Result<Cursor> {
        let until = began - LAG_SECONDS;
        let since = if self.loose && self.moved { self.from.unwrap_or_default().min(until) } else { until };
        Ok(Cursor::new(written(&Mark { of: self.of.clone(), since: since.max(0) })?))
    }
}

fn is_time(second: i64) -> bool {
    second >= 0 && Timestamp::from_second(second).is_ok()
}

fn text(second: i64) -> Result<String> {
    Timestamp::from_second(second).map(date::modified_since).map_err(|_| expired())
}

fn written(position: &impl Serialize) -> Result<String> {
    serde_json::to_string(position)
        .map_err(|error| Error::new(ErrorKind::Internal, "a position could not be written").with_source(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(times: &[i64], at: i64) -> Listed {
        let time = |second: &i64| (Some(Timestamp::from_second(*second).unwrap()), None);
        Listed { changes: times.iter().map(time).collect(), at: Some(Timestamp::from_second(at).unwrap()) }
    }

    fn next(position: Position, listed: &Listed, size: usize) -> Position {
        match position.advance(listed, size, Timestamp::UNIX_EPOCH).unwrap().0 {
            Next::More(token) => Position::read(token.as_str(), "contacts").unwrap(),
            Next::Done(cursor) => panic!("{cursor}"),
        }
    }

    fn done(position: Position, listed: &Listed, size: usize) -> i64 {
        match position.advance(listed, size, Timestamp::UNIX_EPOCH).unwrap().0 {
            Next::Done(cursor) => serde_json::from_str::<Mark>(cursor.as_str()).unwrap().since,
            Next::More(token) => panic!("{token}"),
        }
    }

    #[test]
    fn the_next_page_starts_a_second_before_the_newest_row() {
        let second = next(Position::start("contacts", Some(100)), &rows(&[200, 210, 220], 1000), 3);
        assert_eq!((second.since, second.page, second.loose), (Some(219), 1, false));
        assert_eq!(done(second, &rows(&[220, 230], 2000), 3), 1000 - LAG_SECONDS);
    }

    #[test]
    fn many_rows_of_one_second_are_paged_by_number_and_read_again_when_something_moved() {
        let second = next(Position::start("contacts", Some(100)), &rows(&[200, 200, 200], 1000), 3);
        assert_eq!((second.since, second.page, second.loose), (Some(100), 2, true));
        assert_eq!(done(second.clone(), &rows(&[200], 1001), 3), 1000 - LAG_SECONDS, "nothing moved");
        assert_eq!(done(second, &rows(&[1000], 1001), 3), 100, "it may have pushed a row over the edge");
        let full = next(Position::start("contacts", None), &rows(&[200, 200, 200], 1000), 3);
        assert_eq!(done(full, &rows(&[1001], 1001), 3), 0);
    }

    #[test]
    fn a_time_that_xero_does_not_heed_makes_no_endless_listing_and_no_old_news() {
        let at = Position::start("contacts", Some(500));
        let (_, oldest) = at.clone().advance(&rows(&[1, 2, 600], 1000), 3, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(oldest, Some(500));
        let second = next(at, &rows(&[1, 2, 600], 1000), 3);
        assert_eq!((second.page, second.unheeded), (2, true));
        assert_eq!(next(second, &rows(&[601, 602, 700], 1000), 3).page, 3);
    }

    #[test]
    fn credit_notes_are_read_after_invoices_from_the_same_place() {
        let at = Position { of: "invoices".into(), ..Position::start("invoices", Some(100)) };
        let Next::More(token) = at.advance(&rows(&[200], 1000), 3, Timestamp::UNIX_EPOCH).unwrap().0 else { panic!() };
        let second = Position::read(token.as_str(), "invoices").unwrap();
        assert_eq!((second.half, second.since, second.page), (1, Some(100), 1));
        assert_eq!(done(second, &rows(&[300], 5000), 3), 1000 - LAG_SECONDS, "from when the first half began");
    }

    #[test]
    fn a_strange_position_is_none() {
        for text in [
            "",
            "x",
            "1",
            "null",
            "{}",
            "[]",
            "{\"of\":\"contacts\",\"page\":1}",
            "{\"of\":\"other\",\"page\":1,\"began\":1}",
            "{\"of\":\"contacts\",\"page\":0,\"began\":1}",
            "{\"of\":\"contacts\",\"page\":1,\"began\":99999999999999}",
        ] {
            assert!(Position::read(text, "contacts").is_none(), "{text}");
        }
    }
}
