//! Lost answers: nothing is made twice and nothing is lost.

use serde_json::json;
use sync_testkit::{Fault, FaultRule, On};
use sync_tests::Books;

#[test]
fn a_lost_answer_to_each_kind_of_create_makes_no_twin() {
    for fault in [Fault::CutAfter, Fault::TimedOutAfter, Fault::CutBefore, Fault::Truncated] {
        for nth in 0..3 {
            let books = Books::new(json!({}));
            for n in 0..3 {
                books.customer(&format!("c{n}"), "Penelope", &format!("Cousteau {n}"));
                books.put(&format!("i{n}"), books.invoice(&format!("c{n}"), &format!("D-{n}"), 60));
                books.pay(&format!("p{n}"), &format!("i{n}"), 60);
            }
            books.wire.add(FaultRule::once(fault.clone()).on(On::Writes).skip(nth));
            books.agree();
            // Long after the keys of calls are forgotten.
            books.clock.advance(std::time::Duration::from_secs(20 * 60));
            books.sync_through();
            // What waited for another record is looked at again after a quarter of an hour.
            books.clock.advance(std::time::Duration::from_secs(20 * 60));
            let result = books.sync_through();
            assert!(result.success, "{} {nth}: {result:?} {:?}", fault.name(), books.questions());
            assert_eq!(books.all("contacts").len(), 3, "{} {nth}", fault.name());
            assert_eq!(books.all("documents").len(), 3, "{} {nth}", fault.name());
            assert_eq!(books.payments().len(), 3, "{} {nth}", fault.name());
            assert!(books.all("documents").iter().all(|one| one["Status"] == "PAID"));
            books.settle();
            books.nobody_was_sent_anything();
        }
    }
}
