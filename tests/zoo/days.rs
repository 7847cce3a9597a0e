//! Plain days: nothing goes wrong, few things change, and all of it arrives.

use serde_json::json;
use sync_core::{EffectGrants, Value};

use super::Broken;
use crate::{AUDIENCE, Books, Harbour, Laws, ORG, Town};

/// All of them.
pub const DAYS: &[(&str, fn() -> Broken)] = &[("mail", mail), ("calendar", calendar), ("ledger", ledger)];

/// Two customers become members, one of them gets another name.
pub fn mail() -> Broken {
    let town = Town::new([], 1);
    town.open(&["ada", "ben"]);
    town.agree();
    town.edit("c0001", |record| {
        record.set("first_name", Value::text("Benjamin"));
    });
    town.sync();
    let mut broken = town.clock.block_on(Laws::new().broken(&town));
    broken.extend(super::differs("members", &town.members(AUDIENCE).len(), &2));
    broken
}

/// Two trips become events, one moves here, the other there.
pub fn calendar() -> Broken {
    let harbour = Harbour::new(json!({}), 1);
    harbour.put("reef", harbour.trip("Reef", 5));
    harbour.put("wreck", harbour.trip("Wreck", 6));
    harbour.agree();
    harbour.sync();
    harbour.edit("reef", "title", Value::text("Deep reef"));
    harbour.shift("Wreck", 30);
    let result = harbour.sync();
    let mut broken = super::wrong(!result.success, format!("{result:?}"));
    harbour.event("Deep reef");
    broken.extend(super::differs("moved", &harbour.text("wreck", "start_time").as_deref(), &Some("09:30")));
    broken
}

/// A customer, an invoice and its payment.
pub fn ledger() -> Broken {
    let books = Books::new(json!({}));
    books.customer("1", "Ada", "Lovelace");
    books.put("i1", books.invoice("1", "D-1042", 180));
    books.pay("p1", "i1", 180);
    let result = books.clock.block_on(books.rig.agree(ORG, &EffectGrants::none()));
    let mut broken = super::differs("synced", &(result.success, result.synced), &(true, 3));
    broken.extend(super::differs("paid", &books.document("D-1042")["Status"], &json!("PAID")));
    broken
}
