//! The feed of members: pages, and the cursor.
//!
//! A delta is ordered by the time of the change. Its next page starts at the last page's newest second rather than at an
//! offset wherever that is cheap, since members that change while the listing is under way move to its end, and would
//! push others over the edge of a page. For the same reason pages by offset overlap by a few rows.
//!
//! What changed may become visible a little later than its time says. So the cursor holds two times: up to where the feed
//! was seen, and from where it must be read again once that has settled. Where few rows lie between the two, every run
//! reads them again at no cost; after a large push that waits until the rows have settled, so that our own echoes are not
//! paged through by each run that follows.

use bytes::Bytes;
use http::{Response, header::DATE};
use jiff::Timestamp;
use sync_core::{
    Change, Complete, ContainerId, Context, Cursor, Error, ErrorKind, From, Next, Page, PageToken, Pull, Result,
};

use crate::{
    client::{self, MembersQuery},
    error::{audience_gone, parse},
    handler::Handler,
    mapping,
    model::{Member, Members},
};

/// How much later than its time a change may become visible, in seconds. Mailchimp documents nothing; a minute is far
/// above what replication takes, and an older change is still caught by the next full pass.
const LAG_SECONDS: i64 = 60;

/// How long after the last reading the unsettled range is read again, in seconds, however large it is.
const SETTLED_SECONDS: i64 = 2 * LAG_SECONDS;

/// A page by offset repeats one row in so many.
const OVERLAP_SHARE: u64 = 40;

/// Where a listing stands. All times are seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Position {
    /// True when only changes are listed.
    delta: bool,
    /// True in the second half: archived members are in a listing of their own.
    archived: bool,
    /// From where both halves start.
    from: i64,
    /// From where this half is listed now.
    since: i64,
    offset: u64,
    /// When the listing began.
    began: i64,
    /// From where a later run reads again.
    again: i64,
    /// Rows that the run then reads again.
    rows: u64,
    /// The newest change that was seen.
    newest: i64,
}

/// What a cursor holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    until: i64,
    again: i64,
    rows: u64,
}

/// One page.
///
/// # Errors
/// [`ErrorKind::CursorExpired`] for a cursor or page token that is none of ours.
pub(crate) async fn pull(handler: &Handler, cx: &Context<'_>, request: Pull<'_>) -> Result<Page> {
    let audience = handler.feed_audience(request.container)?;
    let now = cx.now.as_second();
    let size = handler.config.page_size;
    let (mut at, is_first) = match request.from {
        From::Start => (Position::start(now), true),
        From::Cursor(cursor) => (Position::after(Seen::read(cursor)?, now, size), true),
        From::Page(token) => (Position::read(token)?, false),
    };
    let (answer, listed) = list(cx, audience, &at, size).await?;
    if is_first {
        at.trust(server_time(&answer));
    }
    let changes = listed
        .members
        .iter()
        .filter_map(|member| mapping::remote(&handler.settings, audience, member))
        .map(|remote| Change::Upsert(Box::new(remote)))
        .collect();
    let complete = if at.delta { Complete::Delta } else { Complete::Full };
    let next = match at.advance(&listed, size) {
        Some(next) => Next::More(next.token()),
        None => Next::Done(at.seen().cursor()),
    };
    Ok(Page::new(changes, next, complete))
}

async fn list(cx: &Context<'_>, audience: &ContainerId, at: &Position, size: u32) -> Result<(Response<Bytes>, Members)> {
    let since = at.delta.then(|| text(at.since)).transpose()?;
    let query = MembersQuery { archived: at.archived, since, count: size, offset: at.offset };
    let answer = cx.send(client::members(audience, &query)).await.map_err(audience_gone)?;
    let listed = parse(&answer, "lists.members.list")?;
    Ok((answer, listed))
}

impl Position {
    fn start(now: i64) -> Self {
        Self {
            delta: false,
            archived: false,
            from: 0,
            since: 0,
            offset: 0,
            began: now,
            again: now - LAG_SECONDS,
            rows: 0,
            newest: 0,
        }
    }

    fn after(seen: Seen, now: i64, size: u32) -> Self {
        let settled = now >= seen.again + LAG_SECONDS + SETTLED_SECONDS;
        let again = settled || seen.rows <= u64::from(size / 2);
        let from = if again { seen.again } else { seen.until };
        Self {
            delta: true,
            archived: false,
            from,
            since: from,
            offset: 0,
            began: now,
            again: if again { now - LAG_SECONDS } else { seen.again },
            rows: if again { 0 } else { seen.rows },
            newest: 0,
        }
    }

    /// The other side's clock tells the times of changes: where it is behind ours, it counts.
    fn trust(&mut self, there: Option<i64>) {
        if let Some(there) = there.filter(|there| *there < self.began) {
            self.began = there;
            self.again = self.again.min(there - LAG_SECONDS);
        }
    }

    /// Counts a page, and tells where the next one starts; `None` after the last.
    fn advance(&mut self, listed: &Members, size: u32) -> Option<Self> {
        let n_rows = listed.members.len() as u64;
        let times: Vec<i64> = listed.members.iter().map(changed_at).collect();
        self.rows += times.iter().filter(|time| **time > self.again).count() as u64;
        if !self.archived {
            self.newest = times.iter().copied().fold(self.newest, i64::max);
        }
        let is_last = match listed.total_items {
            Some(total) => n_rows == 0 || self.offset + n_rows >= total,
            None => n_rows < u64::from(size),
        };
        let mut next = self.clone();
        if is_last {
            if self.archived {
                return None;
            }
            (next.archived, next.since, next.offset) = (true, self.from, 0);
            return Some(next);
        }
        let newest_second = times.last().copied().unwrap_or_default();
        let before = newest_second - 1;
        let repeated = times.iter().filter(|time| **time > before).count() as u64;
        if self.delta && before > self.since && times.is_sorted() && repeated * 2 <= n_rows {
            (next.since, next.offset) = (before, 0);
        } else {
            next.offset += n_rows - n_rows / OVERLAP_SHARE;
        }
        Some(next)
    }

    fn seen(&self) -> Seen {
        Seen { until: self.began.max(self.newest), again: self.again, rows: self.rows }
    }

    fn token(&self) -> PageToken {
        let Self { from, since, offset, began, again, rows, newest, .. } = self;
        let kind = if self.delta { 'd' } else { 'f' };
        let half = if self.archived { 'a' } else { 'm' };
        PageToken::new(format!("{kind}.{half}.{from}.{since}.{offset}.{began}.{again}.{rows}.{newest}"))
    }

    fn read(token: &PageToken) -> Result<Self> {
        Self::parse(token.as_str()).ok_or_else(expired)
    }

    fn parse(token: &str) -> Option<Self> {
        let mut parts = token.split('.');
        let delta = match parts.next()? {
            "d" => true,
            "f" => false,
            _ => return None,
        };
        let archived = match parts.next()? {
            "a" => true,
            "m" => false,
            _ => return None,
        };
        let position = Self {
            delta,
            archived,
            from: parts.next()?.parse().ok()?,
            since: parts.next()?.parse().ok()?,
            offset: count(parts.next()?)?,
            began: parts.next()?.parse().ok()?,
            again: parts.next()?.parse().ok()?,
            rows: count(parts.next()?)?,
            newest: parts.next()?.parse().ok()?,
        };
        parts.next().is_none().then_some(position)
    }
}

impl Seen {
    fn cursor(self) -> Cursor {
        Cursor::new(format!("{}.{}.{}", self.until, self.again, self.rows))
    }

    fn read(cursor: &Cursor) -> Result<Self> {
        let parse = || {
            let mut parts = cursor.as_str().split('.');
            let seen =
                Self { until: parts.next()?.parse().ok()?, again: parts.next()?.parse().ok()?, rows: count(parts.next()?)? };
            // A time that can't be written as a date would be sent as nonsense, and nonsense filters nothing.
            Timestamp::from_second(seen.until.max(seen.again)).ok()?;
            (parts.next().is_none() && seen.again >= 0 && seen.until >= seen.again).then_some(seen)
        };
        parse().ok_or_else(expired)
    }
}

/// A count of rows; one that no audience can have is none of ours, and adding to it would overflow.
fn count(text: &str) -> Option<u64> {
    text.parse().ok().filter(|count| *count <= u64::from(u32::MAX))
}

fn expired() -> Error {
    Error::new(ErrorKind::CursorExpired, "the position in Mailchimp's members can't be read: they are read from the start")
}

/// Zero where there is no time: such a member sorts first and counts as old.
fn changed_at(member: &Member) -> i64 {
    mapping::time(&member.last_changed).map_or(0, |time| time.as_second())
}

/// Whole seconds: clients report that a fraction of seven digits makes Mailchimp ignore the filter
/// (<https://github.com/brandonseydel/MailChimp.Net/issues/525>).
fn text(second: i64) -> Result<String> {
    let time = Timestamp::from_second(second).map_err(|_| expired())?;
    Ok(time.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string())
}

fn server_time(answer: &Response<Bytes>) -> Option<i64> {
    let date = answer.headers().get(DATE)?.to_str().ok()?;
    Some(jiff::fmt::rfc2822::parse(date).ok()?.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn page(total: u64, times: &[i64]) -> Members {
        let members: Vec<_> = times.iter().map(|time| json!({"last_changed": text(*time).unwrap()})).collect();
        serde_json::from_value(json!({"members": members, "total_items": total})).unwrap()
    }

    fn delta(from: i64) -> Position {
        Position { delta: true, from, since: from, ..Position::start(10_000) }
    }

    #[test]
    fn a_delta_goes_on_at_the_newest_second() {
        let next = delta(100).advance(&page(9, &[101, 102, 103, 104]), 4).unwrap();
        assert_eq!((next.since, next.offset, next.archived), (103, 0, false));
    }

    #[test]
    fn a_page_of_one_second_goes_on_by_offset() {
        let next = delta(100).advance(&page(9, &[200; 4]), 4).unwrap();
        assert_eq!((next.since, next.offset), (100, 4));
    }

    #[test]
    fn a_page_out_of_order_goes_on_by_offset() {
        let next = delta(100).advance(&page(9, &[104, 103, 101, 150]), 4).unwrap();
        assert_eq!((next.since, next.offset), (100, 4));
    }

    #[test]
    fn a_full_pass_goes_by_offset_with_a_little_overlap() {
        let times: Vec<i64> = (0..1000).collect();
        let next = Position::start(10_000).advance(&page(3000, &times), 1000).unwrap();
        assert_eq!((next.since, next.offset), (0, 975));
    }

    #[test]
    fn the_archived_half_follows_from_the_same_start_and_is_the_last() {
        let mut at = Position { since: 300, offset: 2, ..delta(100) };
        let mut next = at.advance(&page(4, &[301, 302]), 4).unwrap();
        assert_eq!((next.archived, next.since, next.offset), (true, 100, 0));
        assert!(next.advance(&page(0, &[]), 4).is_none());
    }

    #[test]
    fn few_rows_are_read_again_by_each_run_and_many_only_when_they_have_settled() {
        let few = Seen { until: 1000, again: 940, rows: 3 };
        assert_eq!(Position::after(few, 1001, 1000).since, 940);
        let many = Seen { rows: 50_000, ..few };
        let soon = Position::after(many, 1001, 1000);
        assert_eq!((soon.since, soon.again, soon.rows), (1000, 940, 50_000));
        let later = Position::after(many, 940 + 180, 1000);
        assert_eq!((later.since, later.again, later.rows), (940, 1060, 0));
    }

    #[test]
    fn a_clock_behind_ours_decides_what_was_seen() {
        let mut at = Position::start(10_000);
        at.trust(Some(9_000));
        assert_eq!((at.seen().until, at.again), (9_000, 8_940));
        at.trust(Some(20_000));
        assert_eq!(at.seen().until, 9_000);
    }

    #[test]
    fn times_have_whole_seconds() {
        assert_eq!(text(1_767_225_600).unwrap(), "2026-01-01T00:00:00+00:00");
    }

    #[test]
    fn a_strange_cursor_asks_for_a_full_pass() {
        for cursor in ["", "x", "1.2", "1.2.3", "5.4.3.2", "9999999999999999.1.0", "-1.-2.0"] {
            let error = Seen::read(&Cursor::new(cursor)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::CursorExpired, "{cursor}");
        }
    }

    #[test]
    fn a_count_that_no_audience_can_have_asks_for_a_full_pass() {
        let most = u64::MAX;
        for token in [format!("d.m.0.0.{most}.9.9.0.9"), format!("d.m.0.0.0.9.9.{most}.9")] {
            assert_eq!(Position::read(&PageToken::new(token)).unwrap_err().kind(), ErrorKind::CursorExpired);
        }
        assert_eq!(Seen::read(&Cursor::new(format!("9.9.{most}"))).unwrap_err().kind(), ErrorKind::CursorExpired);
    }

    proptest! {
        #[test]
        fn tokens_and_cursors_read_back(delta: bool, archived: bool, a in 0_i64..4_000_000_000, b in 0..=u64::from(u32::MAX), c in 0_i64..4_000_000_000) {
            let at = Position { delta, archived, offset: b, rows: b, newest: c, ..Position::start(a + LAG_SECONDS) };
            prop_assert_eq!(Position::read(&at.token()).unwrap(), at.clone());
            let seen = at.seen();
            prop_assert_eq!(Seen::read(&seen.cursor()).unwrap(), seen);
        }

        /// Members in any order of changes, some of them changing while they are listed: nobody who was there is omitted.
        #[test]
        fn no_change_is_omitted_while_members_change(
            mut times in prop::collection::vec(101_i64..120, 0..60),
            touched in prop::collection::vec((0_usize..20, any::<prop::sample::Index>()), 0..8),
            size in 4_u32..9,
        ) {
            // Keyset paging protects distinct seconds; a page full of one second is left to its overlap.
            times.sort_unstable();
            times.dedup();
            let mut rows: Vec<(usize, i64)> = times.iter().copied().enumerate().collect();
            let (mut at, mut seen, mut clock) = (delta(100), std::collections::BTreeSet::new(), 1000);
            for step in 0.. {
                for (_, who) in touched.iter().filter(|(when, _)| *when == step) {
                    if !rows.is_empty() {
                        let mut row = rows.remove(who.index(rows.len()));
                        clock += 1;
                        row.1 = clock;
                        rows.push(row);
                    }
                }
                let after: Vec<_> = rows.iter().filter(|row| row.1 > at.since).collect();
                let shown: Vec<_> = after.iter().skip(at.offset as usize).take(size as usize).collect();
                seen.extend(shown.iter().map(|row| row.0));
                let listed = page(after.len() as u64, &shown.iter().map(|row| row.1).collect::<Vec<_>>());
                match at.advance(&listed, size) {
                    Some(next) if !next.archived => at = next,
                    _ => break,
                }
            }
            prop_assert_eq!(seen.len(), rows.len());
        }
    }
}
