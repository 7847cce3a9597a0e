//! Trips that belong into another book of the diary from now on.

use sync_engine::{Link, Store as _};

use crate::{diary::World, support::of};

impl World {
    /// Somebody chooses another book in the settings.
    async fn belongs_in(&self, book: &str) {
        *self.diary.book.lock().unwrap() = book.to_owned();
        self.rules(|rules| rules.mapping = book.to_owned());
        let mut row = self.store.connection(&self.request().scope()).await.unwrap().unwrap();
        let revision = row.revision;
        (row.revision, row.settings) = (revision + 1, serde_json::json!({"book": book}));
        row.approved.insert(book.to_owned());
        assert!(self.store.put_connection(&row, Some(revision)).await.unwrap());
    }

    fn lies_in(&self, id: &str) -> String {
        self.diary.entries.lock().unwrap().get(id).unwrap().book.clone()
    }

    async fn link(&self) -> Link {
        self.store.links_of(&self.request().scope(), "reef").await.unwrap().pop().unwrap()
    }
}

/// No feed is read of the book that was left. Histories 145, 165 and 231 of a calendar.
#[tokio::test]
async fn what_people_change_in_the_book_that_was_left_comes_along() {
    let (world, id) = World::agreed().await;
    world.diary.edit(&id, "start", "10:00");
    world.belongs_in("second").await;
    world.desk.edit("reef", "title", "Deep reef");
    let result = world.sync().await;
    assert!(result.success, "{result:?}");
    assert_eq!((world.lies_in(&id), world.diary.text(&id, "start").as_deref()), ("second".to_owned(), Some("10:00")));
    assert_eq!(world.desk.text("reef", "start").as_deref(), Some("10:00"));
    assert_eq!(world.diary.text(&id, "title").as_deref(), Some("Deep reef"));
    world.settle().await;
}

/// Histories 487 and 493 of a calendar.
#[tokio::test]
async fn a_trip_that_is_written_on_both_sides_while_it_moves_is_known_to_lie_where_it_went() {
    let (world, id) = World::agreed().await;
    world.diary.edit(&id, "start", "10:00");
    world.belongs_in("second").await;
    assert!(world.sync().await.success);
    let link = world.link().await;
    assert_eq!(link.container.as_ref().map(|book| book.as_str()), Some("second"), "{link:?}");
    world.settle().await;
    world.diary.edit(&id, "start", "11:00");
    assert_eq!(world.sync().await.synced, 1);
    assert_eq!(world.desk.text("reef", "start").as_deref(), Some("11:00"));
}

/// History 493 of a calendar.
#[tokio::test]
async fn a_trip_that_is_made_again_is_made_where_it_belongs_by_now() {
    let (world, id) = World::agreed().await;
    world.desk.delete("reef");
    assert_eq!(of(&world.sync().await, "removed"), 1);
    world.belongs_in("second").await;
    world.desk.put("reef", &[("title", "Reef"), ("date", "2027-05-02")]);
    let result = world.sync().await;
    assert_eq!(of(&result, "created"), 1, "{result:?}");
    assert_eq!((world.lies_in(&id), world.diary.live()), ("second".to_owned(), 1));
    let link = world.link().await;
    assert_eq!(link.container.as_ref().map(|book| book.as_str()), Some("second"), "{link:?}");
    world.settle().await;
}
