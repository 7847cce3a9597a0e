//! The store suite asks the store in memory: the reference answers by its own rules.

use sync_testkit::{MemoryHarness, store_suite};

#[tokio::test]
async fn the_store_in_memory_keeps_the_ports_promises() {
    store_suite(MemoryHarness::new, 4).await;
}
