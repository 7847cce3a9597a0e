//! What a company's books tell.

use std::time::Duration;

use serde_json::json;
use sync_core::{Collection, model::Invoice};
use sync_testkit::{Fault, FaultRule, On};

use super::{Broken, differs, wrong};
use crate::{Books, ORG};

pub(super) fn a_payment_that_is_carried_out_late_is_not_booked_twice() -> Broken {
    let books = Books::new(json!({}));
    books.customer("1", "Ada", "Lovelace");
    books.put("i1", books.invoice("1", "D-1042", 180));
    books.agree();
    books.pay("p1", "i1", 40);
    books.wire.add(FaultRule::once(Fault::TimedOutThenDone(Duration::from_secs(50))).on(On::Writes));
    books.sync();
    books.clock.block_on(books.rig.sync(ORG));
    books.clock.advance(Duration::from_secs(20 * 60));
    books.clock.block_on(books.wire.settle());
    books.sync_through();
    differs("law 1: payments", &books.payments().len(), &1)
}

pub(super) fn what_is_spelled_otherwise_there_is_no_change() -> Broken {
    let books = Books::new(json!({}));
    books.customer("1", "Ada", "Love  lace");
    books.agree();
    books.sync();
    let result = books.sync();
    let n_planned = result.details.as_ref().map_or(0, |details| details.planned.total());
    let mut broken = differs("law 3: planned at rest", &n_planned, &0);
    let rows = books.shop.rows(ORG, &Collection::CUSTOMERS);
    let name = rows.values().next().and_then(|row| row.text("last_name"));
    broken.extend(differs("law 2: name", &name, &Some("Love  lace")));
    broken
}

/// A company with one document among others whose lines do not add up.
fn with_a_bad_one() -> Books {
    let books = Books::new(json!({}));
    books.customer("1", "Ada", "Lovelace");
    books.put("bad", Invoice { total: Some(99.into()), ..books.invoice("1", "D-1", 60) });
    books.put("good", books.invoice("1", "D-2", 60));
    books.agree();
    books
}

pub(super) fn one_bad_document_stays_one() -> Broken {
    let arrived = with_a_bad_one().all("documents").into_iter().any(|one| one["InvoiceNumber"] == "D-2");
    wrong(!arrived, "law 15: one bad document kept another one back")
}

pub(super) fn a_document_that_failed_says_what_to_do() -> Broken {
    let remedy = with_a_bad_one().outcome("invoices", "bad").and_then(|outcome| outcome.remedy);
    wrong(remedy.is_none(), "law 16: it does not say what to do")
}
